"""keeper's end of the line to its collector runner (keeper/collectors/process.py): start, hear, tell and end it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from keeper.collectors.frames import Frames, frame
from keeper.collectors.launch import sweep
from keeper.collectors.terms import Terms
from keeper.errors import KeeperError

TOP = Path(__file__).parents[2]
# Isolated and without `site`: half the time to start, and nobody's sitecustomize in it.
START = "import sys; sys.path.insert(0, sys.argv[1]); from keeper.collectors.process import main; sys.exit(main())"
PIECE = 1 << 18
HUNG = 15.0  # seconds without a word, of one that has something to say every second
ANOTHER = 2.0  # seconds more that it gets then: both of us may have been frozen
SWEEPS = 20  # looks for what a killed one left, about 10 ms each: what dies may start another before
TELLING = 5.0  # seconds it may take to hear something

Message = tuple[Any, ...]


class RunnerProcess:
    """For one thread. Raises KeeperError when it is gone; then it must be made anew."""

    def __init__(self, terms: Terms, now: Callable[[], float]) -> None:
        self._now = now
        self._cookie = terms.cookie
        self._frames = Frames()
        try:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, "-I", "-S", "-c", START, str(TOP)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise KeeperError(f"the collector runner cannot be started: {error.strerror}") from error
        if self._process.stdin is None or self._process.stdout is None:
            raise KeeperError("the collector runner has no pipes")
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._heard = now()
        self.tell(("terms", terms.words()))

    @property
    def pid(self) -> int:
        return self._process.pid

    def hear(self, seconds: float) -> list[Message]:
        """What it says within that time; as soon as there is something."""
        if not select.select([self._out], [], [], seconds)[0]:
            if self._now() - self._heard > HUNG and not select.select([self._out], [], [], ANOTHER)[0]:
                raise KeeperError(f"the collector runner has said nothing for {self._now() - self._heard:.0f} s")
            return []
        data = os.read(self._out, PIECE)
        if not data:
            raise KeeperError(f"the collector runner is gone: {self._code()}")
        self._heard = self._now()
        return list(self._frames.feed(data))

    def tell(self, message: Message) -> None:
        data, until = frame(message), self._now() + TELLING
        while data:
            left = until - self._now()
            if left <= 0 or not select.select([], [self._in], [], left)[1]:
                raise KeeperError("the collector runner does not listen")
            try:
                data = data[os.write(self._in, data) :]
            except BrokenPipeError:
                raise KeeperError(f"the collector runner is gone: {self._code()}") from None

    def end(self, seconds: float) -> list[Message]:
        """Have it end its scripts and itself; what it said meanwhile. It and its scripts are killed when the time
        is over."""
        said: list[Message] = []
        until = self._now() + seconds
        with suppress(KeeperError):
            self.tell(("stop",))
            while self._process.poll() is None and (left := until - self._now()) > 0:
                said += self.hear(left)
        self.close()
        return said

    def close(self) -> None:
        """Now, whatever it does."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(1.0)  # its standard input ended: it kills what it runs
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            for _ in range(SWEEPS):
                if not sweep(self._cookie, lambda _pid, _mark: False):
                    break

    def _code(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(1.0)
            return f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
        return "it closed its line"
