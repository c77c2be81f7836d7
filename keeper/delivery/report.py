"""What `keeper collect` found, as a value, as JSON and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from keeper.delivery.outages import Outage
from keeper.delivery.packet import Outcome
from keeper.runtime.clock import iso

OUTAGES_SHOWN = 10
LEFT_OUT_SHOWN = 10


@dataclass(slots=True)
class Kind:
    """One type of packet. The packets are those with an id; `undelivered` and its events are not proven to have
    arrived."""

    packets: int = 0
    events: int = 0
    undelivered: Counter[Outcome] = field(default_factory=Counter)
    undelivered_events: int = 0
    without_id: int = 0
    events_without_id: int = 0

    @property
    def delivered(self) -> int:
        return self.packets - self.undelivered.total()


@dataclass(frozen=True, slots=True)
class Log:
    """One log, in the order they were written. Times are Unix times; None without a dated line."""

    path: str
    start: float | None
    end: float | None
    size: int
    lines: int
    packets: int
    damage: str | None


@dataclass(frozen=True, slots=True)
class Between:
    """A gap between two logs, or a step back in time: one sentence, and the two logs."""

    after: str
    before: str
    text: str


@dataclass(slots=True)
class Report:
    """Everything a collection found. Packets sent = delivered + rejected + unknown + unanswered, of each type."""

    logs: list[Log]
    left_out: dict[str, str]
    gaps: list[Between]
    doubts: list[Between]
    kinds: dict[str, Kind] = field(default_factory=dict)
    rejected: Counter[int] = field(default_factory=Counter)  # by code
    broken: int = 0
    too_long: int = 0
    unmatched: int = 0  # answers
    outages: list[Outage] = field(default_factory=list)
    outages_let_go: int = 0
    added: int | None = None
    folder: str = ""
    zone: tzinfo | None = None  # of the log, for showing; None is the host's

    def outcome(self, outcome: Outcome) -> int:
        return sum(kind.undelivered[outcome] for kind in self.kinds.values())

    @property
    def packets(self) -> int:
        return sum(kind.packets for kind in self.kinds.values())

    @property
    def delivered(self) -> int:
        return sum(kind.delivered for kind in self.kinds.values())

    @property
    def without_id(self) -> int:
        return sum(kind.without_id for kind in self.kinds.values())


def as_json(report: Report) -> dict[str, Any]:
    """The shape of `report.json`. Times are UTC."""
    kinds = report.kinds
    return {
        "packets": {
            "sent": report.packets,
            "delivered": report.delivered,
            "rejected": {str(code): number for code, number in sorted(report.rejected.items())},
            "unknown": report.outcome("unknown"),
            "unanswered": report.outcome("unanswered"),
            "not_pairable": report.without_id,
        },
        "events": {
            "sent": sum(kind.events for kind in kinds.values()),
            "undelivered": sum(kind.undelivered_events for kind in kinds.values()),
            "not_pairable": sum(kind.events_without_id for kind in kinds.values()),
        },
        "types": {
            name: {
                "packets": kind.packets,
                "delivered": kind.delivered,
                **{outcome: kind.undelivered[outcome] for outcome in ("rejected", "unknown", "unanswered")},
                "events": kind.events,
                "undelivered_events": kind.undelivered_events,
                "not_pairable": kind.without_id,
                "not_pairable_events": kind.events_without_id,
            }
            for name, kind in sorted(kinds.items())
        },
        "outages": [
            {
                "from": iso(outage.start),
                "to": iso(outage.end),
                "packets": outage.packets,
                "events": outage.events,
                "reasons": dict(outage.reasons),
            }
            for outage in report.outages
        ],
        "outages_let_go": report.outages_let_go,
        "lines": {
            "read": sum(log.lines for log in report.logs),
            "broken": report.broken,
            "too_long": report.too_long,
            "answers_unmatched": report.unmatched,
            **({} if report.added is None else {"events_added": report.added}),
        },
        "logs": [
            {
                "path": log.path,
                "from": _iso(log.start),
                "to": _iso(log.end),
                "bytes": log.size,
                "lines": log.lines,
                "packets": log.packets,
                "damage": log.damage,
            }
            for log in report.logs
        ],
        "gaps": [_between(gap) for gap in report.gaps],
        "doubts": [_between(doubt) for doubt in report.doubts],
        "left_out": report.left_out,
        "folder": report.folder,
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)


def _between(one: Between) -> dict[str, str]:
    return {"after": one.after, "before": one.before, "text": one.text}


def as_table(report: Report) -> Iterator[str]:
    """The lines for a person."""
    yield from _logs(report)
    yield ""
    yield f"{report.packets:>12,}  packets sent"
    yield f"{report.delivered:>12,}  delivered"
    for code, number in sorted(report.rejected.items()):
        yield f"{number:>12,}  rejected with {code}"
    yield f"{report.outcome('unknown'):>12,}  timed out (599), outcome unknown: the server may have them"
    yield f"{report.outcome('unanswered'):>12,}  unanswered"
    yield from _lines(report)
    yield from _kinds(report)
    yield from _outages(report)
    if report.folder:
        yield ""
        yield f"what was not delivered is in {report.folder}; next: keeper resend {report.folder} --dry-run"


def _logs(report: Report) -> Iterator[str]:
    size = sum(log.size for log in report.logs)
    lines = sum(log.lines for log in report.logs)
    span = [log.start for log in report.logs if log.start is not None] + [
        log.end for log in report.logs if log.end is not None
    ]
    when = f", {_short(min(span), report)} to {_short(max(span), report)}" if span else ""
    yield f"{len(report.logs)} log{'' if len(report.logs) == 1 else 's'}, {size:,} bytes, {lines:,} lines{when}"
    for log in report.logs:
        if log.damage:
            yield f"  ! {log.path}: {log.damage}"
    for between in report.gaps + report.doubts:
        yield f"  ! {between.text}"
    shown = list(report.left_out.items())[:LEFT_OUT_SHOWN]
    for path, reason in shown:
        yield f"  - {path} is left out: {reason}"
    if len(report.left_out) > len(shown):
        yield f"  - and {len(report.left_out) - len(shown)} more are left out"


def _lines(report: Report) -> Iterator[str]:
    if report.without_id:
        yield f"{report.without_id:>12,}  not pairable: sent by an agent that logs no packet_id"
    if report.broken or report.too_long:
        yield f"{report.broken + report.too_long:>12,}  broken lines of packets or answers"
    if report.unmatched:
        yield f"{report.unmatched:>12,}  answers to no packet of these logs, or to one that had its answer"
    if report.added is not None:
        yield f"{report.added:>12,}  events handed over by services"


def _kinds(report: Report) -> Iterator[str]:
    if not report.kinds:
        return
    yield ""
    width = max(4, *(len(name) for name in report.kinds))
    titles = ("packets", "delivered", "rejected", "unknown", "unanswered", "events", "undelivered")
    yield f"{'type':<{width}}" + "".join(f"{title:>13}" for title in titles)
    for name, kind in sorted(report.kinds.items(), key=lambda item: (-item[1].undelivered_events, item[0])):
        lost = kind.undelivered
        numbers = (
            kind.packets + kind.without_id,
            kind.delivered,
            *(lost[outcome] for outcome in ("rejected", "unknown", "unanswered")),
            kind.events + kind.events_without_id,
            kind.undelivered_events,
        )
        yield f"{name:<{width}}" + "".join(f"{number:>13,}" for number in numbers)


def _outages(report: Report) -> Iterator[str]:
    if not report.outages:
        return
    largest = sorted(report.outages, key=lambda outage: -outage.packets)[:OUTAGES_SHOWN]
    yield ""
    yield f"{'outage':<43}{'packets':>10}{'events':>10}  answers"
    for outage in sorted(largest, key=lambda outage: outage.start):
        reasons = ", ".join(f"{reason}: {number:,}" for reason, number in outage.reasons.most_common(3))
        when = f"{_short(outage.start, report)} to {_short(outage.end, report)}"
        yield f"{when:<43}{outage.packets:>10,}{outage.events:>10,}  {reasons}"
    if others := len(report.outages) - len(largest) + report.outages_let_go:
        yield f"and {others:,} smaller"


def _short(at: float, report: Report) -> str:
    """As the log says it: local time."""
    return datetime.fromtimestamp(at, report.zone).strftime("%Y-%m-%d %H:%M:%S")
