"""A log that is written, rotated, copied, compressed, cut and deleted at random, and a reader killed at random."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

from keeper.runtime.clock import Clock
from tests.scenarios.tail_to_sqlite import open_database

# Shorter than in life, so that a run of seconds holds hundreds of rotations.
SETTINGS = {
    "grace": 0.15,
    "patience": 0.6,
    "linger": 2.0,
    "linger_deleted": 1.0,
    "archive_patience": 2.0,
    "overlap": 3.0,
    "absence": 1.0,
    "poll_interval": 0.1,
}
KEPT = 12  # rotated files that are there at a time, at most


@dataclass
class Reader:
    """The process that follows the log."""

    pattern: str
    database: str
    settings: dict[str, float]
    pause: float
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.scenarios.tail_to_sqlite",
                self.pattern,
                self.database,
                json.dumps(self.settings),
                str(self.pause),
            ],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,  # it ends with us
        )

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"the reader ended by itself with {self.process.returncode}"
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.kills += 1


@dataclass
class Torture:
    """One schedule. `written` are the lines in their order; `doubtful` those of bytes that were made to go away."""

    directory: Path
    seed: int
    mode: str  # lossless: every line must come; exact: lost bytes are known; wild: anything
    scheme: str  # how rotated files are named: numbers, dates, or new names under a glob
    wait: threading.Event = field(default_factory=threading.Event)
    written: list[bytes] = field(default_factory=list)
    contents_gone: list[list[int]] = field(default_factory=list)  # the lines of each content that went away
    doubtful: set[int] = field(default_factory=set)
    actions: dict[str, int] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.serial = 1000
        self.database_path = str(self.directory.parent / f"{self.directory.name}.db")
        self.database = open_database(self.database_path)
        pattern = str(self.directory / ("app-*.log" if self.scheme == "glob" else "app.log"))
        settings = dict(SETTINGS)
        if self.random.random() < 0.4 or self.mode == "exact":
            settings["max_read"] = self.random.choice([200, 1000, 5000])
        pause = self.random.choice([0.0, 0.0, 0.002, 0.01]) if self.mode != "exact" else 0.01
        self.reader = Reader(pattern, self.database_path, settings, pause)
        self.rotated: list[tuple[Path, list[int]]] = []  # newest last, with the numbers of their lines
        self.path = self._new_path()
        self.current: list[int] = []
        # Without O_APPEND a truncated log gets a hole where its old content was.
        self.how = os.O_WRONLY | os.O_CREAT | self.random.choice([os.O_APPEND, os.O_APPEND, 0])
        self.fd = os.open(self.path, self.how)
        self.attended = True  # the reader runs
        self.half: int | None = None  # the line that is begun and not ended

    # What is done to the log

    def write(self) -> None:
        lines = self.random.choice([1, 1, 2, 5, 30])
        data = self._rest_of_line() + b"".join(self._line() for _ in range(lines))
        while data:  # in pieces, as writers without line buffering do
            cut = len(data) if self.random.random() < 0.7 else self.random.randrange(1, len(data) + 1)
            os.write(self.fd, data[:cut])
            data = data[cut:]
            if data and self.random.random() < 0.5:
                self._pause(0.01)

    def begin_line(self) -> None:
        """Half a line; what it becomes depends on what is done to the file before the other half."""
        data = self._rest_of_line()
        half = self._line().rstrip(b"\n")
        half = half[: self.random.randrange(12, len(half) + 1)]
        self.half = len(self.written) - 1
        self.written[self.half] = half + b"\n"
        os.write(self.fd, data + half)

    def rename(self) -> None:
        if self.scheme == "glob":
            self.rotated.append((self.path, self.current))
            self.path = self._new_path()
        else:
            self._shift()
            target = self._rotated_path()
            self.path.rename(target)
            self.rotated.append((target, self.current))
        self.current = []
        if self.random.random() < 0.3:
            self._pause(0.05)
        if self.random.random() < 0.5:  # logrotate's create: the file is there before its writer has heard of it
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        self._tell("renamed")
        if self.random.random() < 0.4:  # the writer goes on in the old file for a while
            late = self.current
            self.current = self.rotated[-1][1]
            for _ in range(self.random.randrange(1, 4)):
                self.write()
                self._pause(0.05)
            self.current = late
        os.close(self.fd)
        self.fd = os.open(self.path, self.how)
        self.half = None  # the other half comes into the new file, as a line of its own

    def copytruncate(self) -> None:
        self._shift()
        target = self._new_path() if self.scheme == "glob" else self._rotated_path()
        shutil.copyfile(self.path, target)
        # A copy shorter than the head that is hashed is not recognised when lines it lacks were read already.
        if self.mode == "wild" and self.half is None and target.stat().st_size > 1100 and self.random.random() < 0.3:
            before = len(self.written)
            self.write()  # between copy and truncation: gone, unless it was read in time
            self.doubtful.update(range(before, len(self.written)))
            self.current, gap = (
                self.current[: -(len(self.written) - before)],
                self.current[before - len(self.written) :],
            )
            del gap
        if self.random.random() < 0.3:
            self._pause(0.02)
        if self.scheme == "glob":
            self.wait.wait(0.01)  # under a glob only times tell the order, and a file system counts them in steps
        os.ftruncate(self.fd, 0)
        self.half = None
        self._tell("truncated")
        self.rotated.append((target, self.current))
        self.current = []
        if self.random.random() < 0.5:  # the new content outgrows the old before anybody looks
            for _ in range(5):
                self.write()

    def compress(self) -> None:
        plain = [index for index, (path, _) in enumerate(self.rotated) if path.suffix != ".gz"]
        if not plain:
            return
        index = self.random.choice(plain[-3:])
        path, lines = self.rotated[index]
        archive = path.with_name(path.name + ".gz")
        packed = gzip.compress(path.read_bytes(), self.random.choice([1, 6]))
        with archive.open("wb") as file:
            for start in range(0, len(packed), 200):
                file.write(packed[start : start + 200])
                file.flush()
                if self.random.random() < 0.1:
                    self._pause(0.01)
        if self.scheme != "numbers" or self.random.random() < 0.5:
            shutil.copystat(path, archive)
        path.unlink()
        self.rotated[index] = archive, lines
        self._tell(f"compressed {path.name}")

    def several(self) -> None:
        for _ in range(self.random.randrange(2, 5)):
            self.rename()
            self.write()
            if self.random.random() < 0.4:
                self.compress()

    def kill(self) -> None:
        self.reader.kill()
        for _ in range(self.random.randrange(0, 8)):
            self._act(killing=False)
        self._clear_away()
        self._tell("start")
        self.reader.start()

    def freeze(self) -> None:
        """The reader gets no time for a while."""
        assert self.reader.process is not None
        self.reader.process.send_signal(signal.SIGSTOP)
        for _ in range(self.random.randrange(0, 8)):
            self._act(killing=False)
        self.reader.process.send_signal(signal.SIGCONT)

    def truncate(self) -> None:
        """Without a copy."""
        if self.mode == "exact":
            if not self.attended or self.half is not None:
                return
            for _ in range(3):
                self.write()
            # What the reader has seen of the log's size is what it can say when the log is gone.
            self._wait_until(self._known_to_reader, 30, "the reader to see the whole log")
        elif self.mode != "wild":
            return
        os.ftruncate(self.fd, 0)
        self.half = None
        self._gone(self.current)
        self.current = []

    def delete_unread(self) -> None:
        if self.mode != "wild" or not self.rotated:
            return
        path, lines = self.rotated.pop(self.random.randrange(len(self.rotated)))
        path.unlink()
        self._gone(lines)

    def _gone(self, lines: list[int]) -> None:
        self.doubtful.update(lines)
        self.contents_gone.append(list(lines))

    # The schedule

    def run(self, seconds: float) -> None:
        clock = Clock()
        end = clock.now() + seconds
        self.write()
        self.reader.start()
        self._wait_until(lambda: self._count() > 0, 20, "the first line")
        while clock.now() < end:
            self._act(killing=True)
            self._clear_away()
        self.write()
        last = self.written[-1].rstrip(b"\n")
        try:
            self._wait_until(lambda: self._last() == last, 60, "the last line")
            self.wait.wait(0.5)
        finally:
            self.reader.kill()
            os.close(self.fd)

    def _act(self, killing: bool) -> None:
        weights = {
            "write": 60,
            "begin_line": 8,
            "freeze": 2 if killing else 0,
            "rename": 6,
            "copytruncate": 5,
            "compress": 5,
            "several": 2,
            "kill": 4 if killing else 0,
            "truncate": 2,
            "delete_unread": 1,
        }
        self.attended = killing
        name = self.random.choices(list(weights), list(weights.values()))[0]
        self.actions[name] = self.actions.get(name, 0) + 1
        self._tell(name)
        getattr(self, name)()
        self._pause(self.random.choice([0.0, 0.001, 0.005, 0.02, 0.1]))

    def verdict(self) -> str:
        """Empty if all is well, else what is wrong."""
        seen = [row[0] for row in self.database.execute("SELECT line FROM lines ORDER BY number")]
        lost = self.database.execute("SELECT size, what FROM told WHERE kind = 'Lost'").fetchall()
        numbers = {line.rstrip(b"\n"): number for number, line in enumerate(self.written)}
        wrong: list[str] = []
        order = [numbers.get(line, -1) for line in seen]
        missing_bytes = 0
        for index, line in enumerate(seen):
            if order[index] < 0:  # a doubtful line may have been lost but for its beginning
                before = max(order[:index], default=-1)
                later = (n for n in sorted(self.doubtful) if n > before)
                whole = next((n for n in later if self.written[n].startswith(line)), -1)
                order[index] = whole
                missing_bytes += len(self.written[whole]) - len(line)
                if whole < 0:
                    wrong.append(f"a line nobody wrote: {line[:100]!r}")
        if len(set(order)) != len(order):
            twice = sorted({n for n in order if order.count(n) > 1})
            wrong.append(f"{len(twice)} lines twice, the first is {twice[0]}")
        steps = [(a, b) for a, b in pairwise(order) if b < a]
        if steps:
            wrong.append(f"out of order: {steps[:5]}")
        missing = sorted(set(range(len(self.written))) - set(order))
        unexplained = [number for number in missing if number not in self.doubtful]
        if unexplained:
            wrong.append(f"{len(unexplained)} lines are missing, {unexplained[0]} to {unexplained[-1]}")
        missing_bytes += sum(len(self.written[number]) for number in missing)
        told = sum(count for count, _ in lost)
        if self.mode == "lossless" and lost:
            wrong.append(f"losses without a loss: {lost}")
        if self.mode == "exact" and told != missing_bytes:
            wrong.append(f"{missing_bytes} bytes are missing, told were {told}: {lost}")
        # Of a file that came and went while nobody looked nothing can be said.
        begun = [lines for lines in self.contents_gone if 0 < len(set(lines) & set(missing)) < len(lines)]
        if len(lost) < len(begun):
            wrong.append(f"{len(begun)} files went away half read, losses told: {lost}")
        if told > missing_bytes:
            wrong.append(f"{told} bytes were called lost, but only {missing_bytes} are")
        return "; ".join(wrong)

    def summary(self) -> str:
        lost = self.database.execute("SELECT count(*), sum(size) FROM told WHERE kind = 'Lost'").fetchone()
        done = " ".join(f"{name}={count}" for name, count in sorted(self.actions.items()))
        return f"seed={self.seed} {self.mode} {self.scheme} lines={len(self.written)} {done} lost={lost}"

    # Small things

    def _line(self) -> bytes:
        number = len(self.written)
        filler = self.random.choice([10, 20, 60, 60, 60, 700])
        line = (
            f"{number:07d} {self.random.getrandbits(32):08x} ".encode() + b"x" * self.random.randrange(filler) + b"\n"
        )
        self.written.append(line)
        self.current.append(number)
        return line

    def _rest_of_line(self) -> bytes:
        """End the line that was begun, if there is one in this file."""
        if self.half is None:
            return b""
        rest = b"-" * self.random.randrange(30) + b"\n"
        self.written[self.half] = self.written[self.half].rstrip(b"\n") + rest
        self.half = None
        return rest

    def _shift(self) -> None:
        """Make room for `.1`, as logrotate does, oldest first."""
        if self.scheme != "numbers":
            return
        for index, (path, lines) in enumerate(self.rotated):
            end = ".gz" if path.suffix == ".gz" else ""
            number = int(path.name.removesuffix(".gz").rpartition(".")[2])
            target = self.path.with_name(f"app.log.{number + 1}{end}")
            path.rename(target)
            self.rotated[index] = target, lines

    def _rotated_path(self) -> Path:
        if self.scheme == "numbers":
            return self.path.with_name("app.log.1")
        self.serial += 1
        return self.path.with_name(f"app.log-2026{self.serial}")

    def _new_path(self) -> Path:
        if self.scheme != "glob":
            return self.directory / "app.log"
        self.serial += 1
        return self.directory / f"app-2026{self.serial}.log"

    def _clear_away(self) -> None:
        """Delete the oldest files once the reader is beyond them."""
        while len(self.rotated) > KEPT // 2:
            path = self.rotated[0][0]
            later = [number for _, others in [*self.rotated[1:], (self.path, self.current)] for number in others]
            if not any(self._seen(number) for number in later[:1]):
                if len(self.rotated) < KEPT or not later or not self.reader.runs():
                    return
                self._wait_until(partial(self._seen, later[0]), 30, f"line {later[0]}")
            self._tell(f"clear away {path.name}")
            path.unlink()
            del self.rotated[0]

    def _tell(self, what: str) -> None:
        self.story.append(f"{self.clock.now():.4f} {what}; {len(self.written)} lines")

    def _known_to_reader(self) -> bool:
        """Whether the reader's stored position knows all bytes of the log."""
        row = self.database.execute("SELECT text FROM position").fetchone()
        at = json.loads(row[0])["at"] if row else None
        status = self.path.stat()
        return at is not None and at["inode"] == status.st_ino and at["size"] == status.st_size

    def _seen(self, number: int) -> bool:
        line = self.written[number].rstrip(b"\n")
        query = "SELECT 1 FROM (SELECT line FROM lines ORDER BY number DESC LIMIT 5000) WHERE line = ?"
        return self.database.execute(query, (line,)).fetchone() is not None

    def _count(self) -> int:
        return int(self.database.execute("SELECT count(*) FROM lines").fetchone()[0])

    def _last(self) -> bytes:
        row = self.database.execute("SELECT line FROM lines ORDER BY number DESC LIMIT 1").fetchone()
        return bytes(row[0]) if row else b""

    def _pause(self, seconds: float) -> None:
        if seconds:
            self.wait.wait(self.random.random() * seconds)

    def _wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        clock = Clock()
        end = clock.now() + seconds
        while not condition():
            if clock.now() > end:
                raise TimeoutError(f"waited {seconds} s for {what}; {self.summary()}")
            self.wait.wait(0.02)


if __name__ == "__main__":
    import tempfile

    mode, scheme, seconds, first, last = sys.argv[1:]
    for seed in range(int(first), int(last)):
        directory = tempfile.mkdtemp(prefix="torture")
        torture = Torture(Path(directory) / "log", seed, mode, scheme)
        try:
            torture.run(float(seconds))
            wrong = torture.verdict()
        except (TimeoutError, AssertionError, sqlite3.Error) as error:
            wrong = f"{type(error).__name__} {error} | {torture.verdict()}"
        print(("BAD " if wrong else "ok  ") + torture.summary(), wrong, directory if wrong else "", flush=True)
        Path(directory, "story").write_text("\n".join(torture.story))
        if not wrong:
            shutil.rmtree(directory)
