"""What the lane of the guard does: keep one there, arm, disarm, have it resume. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keeper.errors import KeeperError
from keeper.failover.actions import Outcome
from keeper.failover.terms import Terms
from keeper.runtime.guard_process import Duty, GuardFired, GuardLost, GuardProcess, ResumeRefused


class Guarding:
    """For one thread. `trouble` says what a person must look at, empty while all is well; `tell` hears of it once."""

    def __init__(self, guard: GuardProcess, duty: Duty, terms: Terms, tell: Callable[[str], None]) -> None:
        self.trouble = ""
        self._guard = guard
        self._duty = duty
        self._terms = terms
        self._tell = tell
        self._armed_at: float | None = None  # the deadline it was last given

    def begin(self) -> None:
        """Take over the one that is there or start one, and give it the deadline the one before had."""
        try:
            self._guard.close()
            self._guard.start(max(10.0, self._terms.timing.act_within + 2.0))
            if self._armed_at is not None:
                self._guard.arm(self._armed_at, self._duty)
            self.trouble = ""
        except (GuardFired, GuardLost) as error:
            self._is(str(error))

    def look(self) -> None:
        """Start another when it is gone."""
        if why := self._guard.why_gone():
            self._another(why)

    def arm(self, deadline: float) -> Outcome:
        self._armed_at = deadline
        try:
            self._guard.arm(deadline, self._duty)
        except GuardFired as error:
            self._is(str(error))
            return Outcome.FAILED
        except GuardLost as error:
            self._another(str(error))
            return Outcome.FAILED if self.trouble else Outcome.DONE
        self.trouble = ""
        return Outcome.DONE

    def disarm(self) -> Outcome:
        """Also the way to take notice of what it did."""
        self._armed_at = None
        try:
            self._guard.disarm()
        except (GuardFired, GuardLost) as error:
            self._is(str(error))
            return Outcome.FAILED
        self.trouble = ""
        return Outcome.DONE

    def resume(self, environment: Mapping[str, str]) -> tuple[Outcome, str]:
        """By the API or the site's script: what came of it, and why not."""
        try:
            if self._duty.takeover:
                self._guard.resume(environment, self._terms.settle)
            else:
                self._guard.resume()
        except (ResumeRefused, GuardFired) as error:
            return Outcome.FAILED, str(error)
        except KeeperError as error:
            return Outcome.UNKNOWN, str(error)
        return Outcome.DONE, ""

    def close(self) -> None:
        """Hang up: one that is armed goes on without us."""
        self._guard.close()

    def _another(self, why: str) -> None:
        """In the place of one that is lost, with its deadline; while none can be had nothing is told twice."""
        if not self.trouble:
            self._tell(f"{why}; another is started")
        self.begin()

    def _is(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            self._tell(trouble)
