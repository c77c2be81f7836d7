"""How long tasks waited for a resource (Linux 4.20 and later; off where it was booted with psi=0)."""

from __future__ import annotations

from keeper.shipped.point import Point

AVERAGES = ("avg10", "avg60", "avg300")  # percent of the time, over so many seconds


def pressure(told: str, resource: str) -> list[Point]:
    """Read `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and `full ...` of a file in /proc/pressure."""
    points: list[Point] = []
    for line in told.splitlines():
        kind, *fields = line.split()
        tags = f"resource={resource} kind={kind}"
        for name, _, value in (field.partition("=") for field in fields):
            if name == "total":
                points.append(("proc.pressure.total_us", int(value), tags))
            elif name in AVERAGES:
                points.append((f"proc.pressure.{name}", value, tags))
    return points
