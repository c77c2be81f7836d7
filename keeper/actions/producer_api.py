"""nodeos' producer API: pause, resume, paused. What it did is always read back, and every outcome is a value.

`/v1/producer/paused` is true in Spring when the node was told to pause *or* while it gets no votes; that second,
implicit pause ends by itself. So a `true` alone proves no pause of ours: only together with the node's `ok` to our
order it does. Pausing takes effect with the next block: the one under way may still come, within a second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from keeper.actions.brief_http import Absent, Address, Reply, ask
from keeper.errors import SourceError

if TYPE_CHECKING:
    from keeper.core.source import Now

SHOWN = 120  # characters of a node's own words that are repeated


class Done(NamedTuple):
    """The order was confirmed and read back."""

    state: str  # `paused` or `resumed`


class Refused(NamedTuple):
    """The node answered, and it is a no."""

    why: str


class Unknown(NamedTuple):
    """No answer that can be trusted: the order may have been carried out or not."""

    why: str


class Nobody(NamedTuple):
    """The connection was refused: no node listens there."""

    why: str


Outcome = Done | Refused | Unknown | Nobody


class ProducerApi:
    """One node's. `now` is any monotonic clock. Each method takes no longer than `seconds`."""

    def __init__(self, address: Address, now: Now) -> None:
        self.address = address
        self._now = now

    def pause(self, seconds: float) -> Outcome:
        """Done: it will sign nothing from the next block on, as long as this process lives."""
        said, paused = self._order("pause", seconds)
        if not isinstance(paused, bool):
            return said if isinstance(said, Refused) else paused
        if isinstance(said, Done):
            return said if paused else Refused("the node said ok to pause, and is not paused")
        if isinstance(said, Unknown) and paused:
            return Unknown(f"the node reads paused, but that may be Spring's pause without votes: it {said.why}")
        return said

    def resume(self, seconds: float) -> Outcome:
        """Done: nothing keeps the node from signing. That it has the key and is in the schedule is another matter."""
        said, paused = self._order("resume", seconds)
        if not isinstance(paused, bool):
            return said if isinstance(said, Refused) else paused
        if not paused:
            return Done("resumed")
        if isinstance(said, Done):
            return Refused("the node said ok to resume, and is paused: Spring pauses again while it gets no votes")
        return said

    def paused(self, seconds: float) -> bool | Refused | Unknown | Nobody:
        """What the node says. In Spring `true` has two meanings; `pause_meant` tells them apart by the node's log."""
        until = self._now() + seconds
        reply = self._ask("paused", until)
        if not isinstance(reply, Reply):
            return reply
        if reply.status in (200, 201) and reply.body.strip() in (b"true", b"false"):
            return reply.body.strip() == b"true"
        return _no("paused", reply)

    def _order(self, what: str, seconds: float) -> tuple[Outcome, bool | Refused | Unknown | Nobody]:
        """Give the order, in half of the time, and read back, whatever came of it."""
        until = self._now() + seconds
        reply = self._ask(what, self._now() + seconds / 2)
        said = _ok(what, reply) if isinstance(reply, Reply) else reply
        if isinstance(said, Nobody):
            return said, said
        return said, self.paused(until - self._now())

    def _ask(self, what: str, until: float) -> Reply | Unknown | Nobody:
        try:
            return ask(self.address, "POST", f"/v1/producer/{what}", until, self._now, b"{}")
        except Absent as error:
            return Nobody(str(error))
        except SourceError as error:
            return Unknown(f"gave no answer to {what} ({error})")


def pause_meant(reason: str) -> str:
    """What kind of pause the node's own log speaks of: `explicit`, `implicit`, or empty when it says neither.

    `reason` is that of a NotProducing event, said for each slot of ours that was left out.
    """
    return {"explicitly_paused": "explicit", "no_recent_votes": "implicit"}.get(reason, "")


def _ok(what: str, reply: Reply) -> Done | Refused | Unknown:
    try:
        said = json.loads(reply.body)
    except (ValueError, RecursionError):
        said = None
    if reply.status in (200, 201) and isinstance(said, dict) and said.get("result") == "ok":
        return Done(f"{what}d")
    return _no(what, reply)


def _no(what: str, reply: Reply) -> Refused | Unknown:
    words = "".join(c if c.isprintable() else " " for c in reply.body[:400].decode("utf-8", "replace"))
    words = " ".join(words.split())[:SHOWN]
    if reply.status == 404:
        return Refused(
            "the node does not offer the producer API at this address: load eosio::producer_api_plugin "
            "(where http-category-address is used: the address of producer_rw), out of reach for strangers"
        )
    if 400 <= reply.status < 500:
        return Refused(f"the node refused {what} with {reply.status}: {words}")
    return Unknown(f"answered {what} with {reply.status}: {words}")
