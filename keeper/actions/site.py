"""A script of the site that does something to the node, and what its end means. Quick to import: the guard needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.actions.bounded import Ended, run
from keeper.actions.producer_api import Done, Refused, Unknown
from keeper.actions.trust import why_not_trusted

if TYPE_CHECKING:
    from keeper.core.source import Now

NOT_KNOWN = 75  # EX_TEMPFAIL of sysexits(3): the script says that it may have done it
BY_SIGNAL = 128  # a shell ends with this and more when what it ran was killed


def carry_out(path: str, environment: Mapping[str, str], until: float, now: Now) -> Done | Refused | Unknown:
    """Run it, no longer than `until`. Done: it ended with 0, and only that; look at the node yourself."""
    if why := why_not_trusted(Path(path)):
        return Refused(why)
    try:
        ended = run([path], environment, until, now)
    except OSError as error:
        return Refused(f"{path} cannot be started: {error.strerror}")
    except ValueError as error:  # a zero byte in the environment
        return Refused(f"{path} cannot be started: {error}")
    if ended.code == 0:
        return Done("ended with 0")
    words = f": {ended.said.splitlines()[0]}" if ended.said else ""
    if ended.code is None:
        return Unknown(f"{path} did not end in time and was killed{words}")
    why = f"{path} ended with {ended.code}{words}"
    return Refused(why) if is_no(ended) else Unknown(why)


def is_no(ended: Ended) -> bool:
    """Whether the script itself says that it did nothing. One that was killed says nothing."""
    return ended.code is not None and 0 < ended.code < BY_SIGNAL and ended.code != NOT_KNOWN
