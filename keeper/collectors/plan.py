"""From the settings to what the runner is told and what is added to points."""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path

from keeper.collectors.settings import CollectorSettings, CollectorsSettings, Pair
from keeper.collectors.terms import Terms

PROGRAM = Path(__file__).parents[1] / "shipped" / "proc.py"
SHIPPED = "keeper-proc"  # the name of keeper's own collector: one program measures all that is asked for
ALIVE_FOR = 3.0  # intervals for which a point counts as known
AT_LEAST = 30.0  # seconds, and not less than this


def terms_of(general: CollectorsSettings, single: tuple[CollectorSettings, ...], folder: Path) -> Terms:
    """`folder` is keeper's own for its collectors, in state_dir: it tells one keeper's scripts from another's."""
    return Terms(
        folder=general.dir,
        cookie=hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16],
        general=general.care(),
        care={one.name: one.care() for one in single},
        shipped=shipped(general),
        max_series=general.max_series,
        max_tags=general.max_tags,
        more_tags=len(added_tags(general)),
    )


def shipped(general: CollectorsSettings) -> dict[str, tuple[str, ...]]:
    """The command line of keeper's own collector, by its name."""
    if not general.shipped:
        return {}
    return {SHIPPED: (sys.executable, "-I", str(PROGRAM), "--every", f"{general.every:g}", *general.shipped)}


def added_tags(general: CollectorsSettings) -> tuple[Pair, ...]:
    """The tags that every point gets on its way to OpenTSDB unless it has them itself, the host's first."""
    tags = dict(general.tags)
    host = tags.pop("host", general.host or _host_name())
    return (("host", host), *tags.items())


def _host_name() -> str:
    name = "".join(c if (c.isascii() and c.isalnum()) or c in "-_." else "_" for c in socket.gethostname())
    return name or "localhost"


def lasts(interval: float, general: CollectorsSettings) -> float:
    """For how many seconds a point of a script with this interval counts as known."""
    return max(AT_LEAST, ALIVE_FOR * interval) if interval else general.stale
