"""What the operator chose, as one value: who this host is, when it may take over, how long each step may take."""

from __future__ import annotations

from typing import NamedTuple

from keeper.failover.lease import Timing

# A pause applies to the block after the one under way (producer_plugin); and between two looks it may have been
# resumed and paused unseen.
UNDER_WAY = 1.0  # seconds


class Terms(NamedTuple):
    """`host` and `role` (A, B, C, F) of this keeper; `lease`: there is a store of leases. `windows` of ours that must
    be missed in a row, or the lease `vacant` for so long. `behind`, `flat`: what the age of the head and a standing LIB
    may be. `ill`: how long a node that produces may not answer or be behind. `cool_down` after a step, `fuse`: so many
    takeovers and no more. `hook`: there is a pre_takeover script, which has `hook_within` to answer. `pause_within`:
    for the pause API and reading back; `kill_within`: for the kill command and verifying; `killer`: there is one.
    `settle`: what a resume may take until it is seen. `tick`: seconds between two looks. `returns`: stay, return or
    ask, after `healthy` rounds. `clear`: seconds before our next window in which a planned switch no longer begins."""

    host: str
    role: str
    lease: bool
    windows: int = 1
    vacant: float = 2.0
    timing: Timing = Timing()
    behind: float = 8.0  # while our own window stays empty the head grows six seconds old
    flat: float = 20.0
    ill: float = 10.0
    cool_down: float = 60.0
    fuse: int = 3
    hook: bool = False
    hook_within: float = 5.0
    pause_within: float = 2.0
    kill_within: float = 3.0
    killer: bool = True
    settle: float = 2.0
    tick: float = 0.5
    returns: str = "stay"
    healthy: int = 3
    clear: float = 4.0

    @property
    def unattended(self) -> float:
        """How long a node goes on at least when its keeper is gone: from a renewal that was just due to the fence."""
        timing = self.timing
        return timing.ttl - timing.margin - timing.act_within - timing.renew - timing.request_timeout

    def why_not(self) -> str | None:
        """Why these cannot keep the promise; None when they can. Without a lease there is none to keep."""
        if not self.lease:
            return None
        if self.pause_within < UNDER_WAY + 2 * self.tick:
            return (
                f"pause_within = {self.pause_within:g}s is too short: a pause is believed {UNDER_WAY:g}s after it was "
                f"seen, when the block under way is out; with this tick {UNDER_WAY + 2 * self.tick:g}s are needed"
            )
        ladder = self.pause_within + self.kill_within + 2 * self.tick
        if ladder > self.timing.act_within:
            return (
                f"pause_within + kill_within + 2*tick = {ladder:g}s is more than act_within = "
                f"{self.timing.act_within:g}s: the node might not be paused or dead when the lease ends"
            )
        if not self.killer:
            return "with a lease there must be a kill command: a node that does not answer could not be fenced"
        return self.timing.why_not()


# Windows to be missed, by role: our producer has one window a round. A without a lease waits one round, as it may be
# back before B has gone.
WINDOWS_WITH_LEASE = {"A": 1, "B": 1, "C": 2}
VACANT_WITH_LEASE = {"A": 2.0, "B": 2.0, "C": 10.0}
WINDOWS_WITHOUT = {"A": 1, "B": 2, "C": 6}
