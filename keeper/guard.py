"""The guard: a tiny process beside keeper that fences the node when keeper cannot.

keeper starts it before it resumes the node, and with each renewal of the lease moves the time at which the node has to
be fenced. When that time passes unmoved (keeper was killed, is frozen, starved or stuck) the guard fences, and goes on
looking that it stays fenced until a keeper has taken notice. It has no thread, its own session, and imports before it
says that it is ready all that it will ever need.

    keeper ── arm TIME LADDER, resume, disarm, look ──► guard.sock in its directory
    keeper ◄── armed TIME, fired REPORT, idle, no WHY, bad WHY ── guard

`no` is certain: it was not done and will not be. `bad` may have been.

It is the guard that resumes the node: a keeper that is frozen between looking at the clock and resuming would resume
after the guard has fenced. One packet a message, its number and words in lines. Times are CLOCK_BOOTTIME, the same in
both processes. It outlives the keeper that started it as long as it is armed; the next keeper takes it over. What it
did is in guard.json, whose place on the disk is taken from the start.

As a service of its own (`--stay`, deploy/keeper-guard.service) it stays when there is nothing to guard, and its manager
notices when it is frozen. keeper starts none then, but waits for that one to be started again: the lock file says so.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from keeper.actions.brief_http import read_address, resolved
from keeper.actions.fence import Fenced, Ladder, fence, holds
from keeper.actions.kill import read_kill
from keeper.actions.producer_api import Done, Outcome, ProducerApi, Refused, Unknown
from keeper.actions.site import carry_out
from keeper.runtime.clock import since_boot
from keeper.runtime.systemd import Pulse, ServiceManager

SOCKET, LOCK, REPORT = "guard.sock", "guard.lock", "guard.json"
REPORT_BYTES = 4096
MESSAGE = 16_384  # bytes
SLICE = 0.5  # seconds it sleeps at most: no timer of the kernel's counts while the machine sleeps, the deadline does
LOOK = 1.0  # seconds between two looks at a fenced node
LONGEST_LOOK = 10.0  # seconds between two tries to fence one that is not
UNANSWERED = 5  # looks in a row without an answer, until it is fenced again
RESUMING = 1.0  # seconds
FIRST = 10.0  # seconds in which somebody has to come
READY = b"ready\n"
STAY, STAYS = "--stay", b"stays\n"


class Armed(NamedTuple):
    """`fence_at` is when the node has to be fenced, unless it is moved. `takeover` is the site's script that resumes
    it, empty for the API."""

    fence_at: float
    ladder: Ladder
    takeover: str = ""


class Guard:
    """`listening` takes connections of keepers, `wake` is readable when it was told to end. `stays` also when there is
    nothing to guard: a service manager started it."""

    def __init__(self, listening: socket.socket, wake: int, report: int, *, stays: bool = False) -> None:
        self._listening = listening
        self._wake = wake
        self._report = report
        self._keeper: socket.socket | None = None
        self._armed: Armed | None = None
        self._ladder_text: list[str] = []
        self._fired: dict[str, Any] = {}
        self._look_at = 0.0
        self._unanswered = 0
        self._stays = stays
        self._pulse = Pulse(ServiceManager(os.environ if stays else {}))

    def run(self) -> int:
        """Guard until there is nothing to guard and nobody to guard it for."""
        alone_until = since_boot() + FIRST
        self._pulse.begin()
        while self._stays or self._keeper or self._armed or since_boot() < alone_until:
            if self._step():
                if self._armed and not self._fired:
                    self._fire(self._armed, "it was told to end while armed")
                return 0 if not self._fired or self._fired["fenced"] else 1
            if self._keeper:
                alone_until = 0.0
        return 0

    def _step(self) -> bool:
        """Wait for what comes next and do it. True: somebody wants the end."""
        waiting = select.poll()
        for one in (self._listening, self._keeper, self._wake):
            if one is not None:
                waiting.register(one, select.POLLIN)
        ready = dict(waiting.poll(self._seconds() * 1000))
        self._pulse.beat(since_boot())
        if self._keeper is not None and self._keeper.fileno() in ready:
            self._hear(self._keeper)
        if self._armed and not self._fired and since_boot() >= self._armed.fence_at:
            self._fire(self._armed, "its time passed unmoved")
        elif self._armed and self._fired and since_boot() >= self._look_at:
            self._look(self._armed)
        if self._wake in ready:
            return True
        if self._listening.fileno() in ready:
            self._accept()
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)  # one that wrote the report
        return False

    def _seconds(self) -> float:
        if self._armed is None:
            return SLICE
        due = self._look_at if self._fired else self._armed.fence_at
        return min(SLICE, max(0.0, due - since_boot()))

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listening.accept()
            connection.setblocking(False)
            if self._keeper is not None:  # there is one keeper at a time: this one is the next
                self._keeper.close()
            self._keeper = connection

    def _hear(self, keeper: socket.socket) -> None:
        try:
            message = keeper.recv(MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            keeper.close()
            self._keeper = None
            return
        with suppress(OSError):  # who does not read the answer learns nothing
            number, *words = message.decode("utf-8", "replace").split("\n")
            keeper.send(f"{number}\n{self._answer(words)}".encode())

    def _answer(self, words: list[str]) -> str:
        order, *rest = words or [""]
        if order == "disarm":
            self._armed, self._fired = None, {}
        elif order == "arm" and not self._fired:
            try:
                self._arm(rest)
            except (ValueError, OSError) as error:
                return f"bad\n{error}"
        elif order == "resume" and not self._fired and (why := self._resume(self._armed, rest)):
            return why
        if self._fired:
            return f"fired\n{json.dumps(self._fired)}"
        return f"armed\n{self._armed.fence_at!r}" if self._armed else "idle"

    def _resume(self, armed: Armed | None, words: list[str]) -> str:
        """Empty when it was done, and there was time for it; else the answer."""
        if armed is None:
            return "no\nit is not armed: nobody would fence the node"
        if (left := armed.fence_at - since_boot()) <= 0:
            return "no\nits time is over"
        if armed.takeover:
            said = self._by_script(armed.takeover, words, left)
        else:
            said = armed.ladder.api.resume(min(RESUMING, left))
        if isinstance(said, Done):
            return ""
        return f"{'bad' if isinstance(said, Unknown) else 'no'}\n{said.why}"

    def _by_script(self, path: str, words: list[str], left: float) -> Outcome:
        """`words`: seconds it may take, and its environment, NAME=VALUE each. Nothing else is done while it runs, so it
        is killed when the time to fence has come. What it did is for keeper to read back."""
        within, *pairs = words or [""]
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        try:
            until = since_boot() + min(float(within or RESUMING), left)
        except ValueError:
            return Refused("it is not said how long it may take")
        self._pulse.skip(left)
        said = carry_out(path, environment, until, since_boot)
        self._pulse.skip(0)
        return said

    def _arm(self, words: list[str]) -> None:
        """Raises ValueError, and OSError when the API's name cannot be resolved."""
        at, *ladder = words
        fence_at = float(at)
        if not math.isfinite(fence_at):
            raise ValueError("the time is no time")
        if self._armed and ladder == self._ladder_text:
            self._armed = self._armed._replace(fence_at=fence_at)
            return
        within, api, kill, engine, takeover = ladder
        self._armed = Armed(
            fence_at,
            Ladder(
                ProducerApi(resolved(read_address(api)), since_boot),
                read_kill(kill, since_boot, engine) if kill else None,
                float(within),
            ),
            takeover,
        )
        self._ladder_text = ladder

    def _fire(self, armed: Armed, cause: str) -> None:
        began = since_boot()
        self._pulse.skip(armed.ladder.act_within)
        result = fence(armed.ladder, since_boot, _wait)
        self._pulse.skip(0)
        times = int(self._fired.get("times", 0)) + 1
        self._fired = {
            "cause": cause,
            "fenced": isinstance(result, Fenced),
            "step": result.step if isinstance(result, Fenced) else "",
            "words": result.words if isinstance(result, Fenced) else result.why,
            "fence_at": armed.fence_at,
            "began": began,
            "took": result.took,
            "times": times,
        }
        self._unanswered = 0
        self._look_at = since_boot() + (LOOK if self._fired["fenced"] else min(LONGEST_LOOK, LOOK * times))
        self._tell()

    def _look(self, armed: Armed) -> None:
        """A node that is started again is not paused by what we told the one before it."""
        self._look_at = since_boot() + LOOK
        found = holds(armed.ladder, since_boot) if self._fired["fenced"] else False
        self._unanswered = self._unanswered + 1 if found is None else 0
        if found is False or self._unanswered >= UNANSWERED:
            self._fire(armed, "it was not fenced any more" if self._fired["fenced"] else "it is not fenced yet")

    def _tell(self) -> None:
        """Write the report, in a child of its own: a disk that hangs shall not keep the guard from its work."""
        text = json.dumps(self._fired).encode()[: REPORT_BYTES - 1].ljust(REPORT_BYTES - 1) + b"\n"
        try:
            child = os.fork()
        except OSError:
            self._write(text)
            return
        if child == 0:
            os.dup2(self._report, 3)
            self._report = 3
            os.closerange(4, 64)  # a child that hangs on the disk shall hold neither the lock nor a line
            self._write(text)
            os._exit(0)

    def _write(self, text: bytes) -> None:
        with suppress(OSError):
            os.pwrite(self._report, text, 0)
            os.fsync(self._report)
            os.write(2, b"keeper guard: " + text.rstrip() + b"\n")


def main(arguments: list[str]) -> int:
    """Guard in a directory. Says `ready` on its standard output as soon as a keeper can connect."""
    directory = Path(arguments[0])
    os.umask(0o077)
    os.chdir("/")
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stays = STAY in arguments
    if not _alone(lock, directory, patient=stays):
        return 3
    os.ftruncate(lock, 0)
    os.pwrite(lock, STAYS if stays else b"", 0)
    report = os.open(directory / REPORT, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.pwrite(report, b" " * (REPORT_BYTES - 1) + b"\n", 0)
    _first_in_line()
    hear, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    path = directory / SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(str(path))
        listening.listen(4)
        listening.setblocking(False)
        os.write(1, READY)
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        return Guard(listening, hear, report, stays=stays).run()


def _alone(lock: int, directory: Path, *, patient: bool) -> bool:
    """Whether no other guard runs in the directory. A service that ended for that would be started again and again: it
    waits until the other one, which keeper started before, has nothing to guard any more."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(2, f"keeper guard: another guard runs in {directory}\n".encode())
        if not patient:
            return False
        ServiceManager(os.environ).say("STATUS=waits for another guard to end: restart keeper, which started it")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return True


def _first_in_line() -> None:
    """Ask to run before all else and to be killed last, where that is allowed; programs it starts get none of it."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-1000")


def _wait(seconds: float) -> bool:
    select.poll().poll(seconds * 1000)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
