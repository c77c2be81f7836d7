"""The lease: which of the nodes that have the key may be un-paused. The values, and what every store of leases does.

keeper adds no consensus of its own. The store (etcd) gives the lease to one holder at a time and ends it `ttl` seconds
after the last renewal it has seen; the holder counts from the moment *before* it asked, so it never believes to hold
the lease longer than the store does, as long as clocks run at nearly the same rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from keeper.errors import KeeperError


class Unreachable(KeeperError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """The store gave no valid answer in time: whether it did what it was asked for is unknown. The message says why."""


class Misconfigured(Unreachable):
    """As things are configured the store will never answer. The message says what to put right."""


class Timing(NamedTuple):
    """All in seconds. `ttl` of the lease, `renew` between two renewals, `request_timeout` of one question to the store,
    `act_within`: what the fence ladder takes at most until the node is paused or dead, `margin` for clock rates."""

    ttl: float = 15.0
    renew: float = 2.0
    request_timeout: float = 1.0
    act_within: float = 6.0
    margin: float = 2.0

    def why_not(self) -> str | None:
        """Why these cannot keep the promise; None when they can."""
        needed = self.renew + 2 * self.request_timeout + self.act_within + self.margin
        if needed <= self.ttl:
            return None
        return (
            f"renew + 2*request_timeout + act_within + margin = {needed:g}s is more than ttl = {self.ttl:g}s: "
            "a holder that cannot renew could not be paused before the lease ends"
        )


class Grant(NamedTuple):
    """The right to produce. `epoch` grows with each new holder and never repeats; `token` is the store's own name for
    the lease; `until` is when it may end for the store, on the holder's monotonic clock."""

    epoch: int
    token: str
    until: float


class Denied(NamedTuple):
    """The store answered, and it is a no: somebody else holds the lease, or ours has ended."""

    holder: str
    why: str


class Seen(NamedTuple):
    """What the store holds. `holder` is empty when nobody has the lease; `paused` is why automation is paused in the
    whole cluster, empty when it is not; `wanted` is the host a planned switch names, empty without one; `hashes` are
    the configurations of all hosts, and `roles` their roles, by name; `twins` are names that two keepers announced
    within one `ttl`: two hosts with one name, or one that was just restarted."""

    holder: str
    epoch: int
    paused: str
    wanted: str
    hashes: Mapping[str, str]
    roles: Mapping[str, str]
    twins: tuple[str, ...] = ()


class LeaseStore(Protocol):
    """For one thread. Every method takes no longer than `request_timeout` over all endpoints, and raises Unreachable
    when the answer is not known: then the caller must think of both."""

    def acquire(self) -> Grant | Denied:
        """Take the lease if nobody has it."""

    def renew(self, grant: Grant) -> Grant | Denied:
        """Hold it for another `ttl`."""

    def release(self, grant: Grant) -> None:
        """Give it back, so that another need not wait for its end. For a node that is verified to be paused."""

    def look(self) -> Seen:
        """What everybody can see."""

    def announce(self, role: str, configuration: str) -> None:
        """Say that this host is there, with the hash of its configuration; it is forgotten when it says nothing."""

    def pause(self, why: str) -> None:
        """Pause automation in the whole cluster; an empty `why` ends it."""

    def want(self, host: str) -> None:
        """Name the host that a planned switch shall make the producer; empty: none."""
