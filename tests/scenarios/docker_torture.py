"""A container that prints at speed, is restarted, created anew and loses its engine at random, while the one who reads
its log is killed at random.

    python -m tests.scenarios.docker_torture MODE DRIVER SECONDS FIRST-SEED LAST-SEED
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import docker.errors

from tests.peers.ask import eventually
from tests.peers.docker_engine import DockerEngine
from tests.scenarios.docker_to_sqlite import open_database

NAME = "tortured"
SETTINGS = {"idle_after": 0.5, "prove_after": 2.0, "poll": 0.2, "longest_pause": 0.5, "lookback": 1 << 30}

# Three series a run: o on stdout, e on stderr, L lines of 48 KiB whose pieces are cut inside a character.
SCRIPT = """
u=$(cat /proc/sys/kernel/random/uuid); n=0; l=0
while [ $n -lt 300000 ]; do
  k=0
  while [ $k -lt BURST ]; do
    n=$((n+1)); k=$((k+1)); echo "$u o $n xxxxxxxxxxxxE"
    [ $((n % 7)) = 0 ] && echo "$u e $((n/7)) yyyyE" >&2
  done
  if [ $((n % LONG)) = 0 ]; then l=$((l+1)); printf '%s' "$u L $l "; yes '€' | head -n 16000 | tr -d '\\n'; echo E; fi
  sleep PAUSE
done
"""
# Without the newline: in what `docker logs` prints, it is missing after long lines of the `local` driver (20.10).
LINE = re.compile(rb"([0-9a-f]{8}-[0-9a-f-]{27}) ([oeL]) (\d+) ([^ \nE]*)E")
Key = tuple[bytes, bytes, int]

MODES = ("lossless", "anew", "rotating")


def keys(text: bytes) -> list[tuple[Key, int]]:
    """The complete lines of the script in a text: which, and a hash of the content."""
    return [((m[1], m[2], int(m[3])), hash(m[4])) for m in LINE.finditer(text)]


@dataclass
class Reader:
    """The process that follows the log."""

    engine: DockerEngine
    database: Path
    pause: float
    process: subprocess.Popen[bytes] | None = None
    kills: int = 0

    def start(self) -> None:
        settings = json.dumps({"base_url": self.engine.url, **SETTINGS})
        argv = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            sys.executable,
            "-m",
            "tests.scenarios.docker_to_sqlite",
            NAME,
            self.database,
            settings,
            self.pause,
        ]
        self.process = subprocess.Popen([str(part) for part in argv], cwd=Path(__file__).parents[2])

    def signal(self, number: int) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"the reader ended by itself with {self.process.returncode}"
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()
        self.kills += 1


@dataclass
class Torture:
    """One schedule. `printed` is what the engine's log of each container held in the end."""

    engine: DockerEngine
    directory: Path
    seed: int
    mode: str
    driver: str
    tty: bool = False
    wait: threading.Event = field(default_factory=threading.Event)
    actions: dict[str, int] = field(default_factory=dict)
    printed: dict[str, dict[Key, int]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)  # removed while it printed: nobody knows its last lines
    order: list[str] = field(default_factory=list)  # container ids as they were created

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.database = open_database(str(self.directory / "lines.db"))
        self.reader = Reader(self.engine, self.directory / "lines.db", self.random.choice([0, 0, 0.002]))
        self.tty = self.random.random() < 0.25
        self.current = ""

    # What is done

    def anew(self) -> None:
        """The usual way: stopped, removed, created under the same name."""
        if self.mode == "lossless":
            return
        self.engine.client.kill(self.current) if self.running() else None
        self.engine.ended(self.current)
        self._note(self.current)
        if self.random.random() < 0.5:
            self._pause(1.0)
        self.engine.remove(self.current)
        self._create()

    def torn_down(self) -> None:
        """Removed while it prints."""
        if self.mode == "lossless":
            return
        self.unknown.add(self.current)
        self._note(self.current)
        self.engine.remove(self.current)
        self._pause(0.5)
        self._create()

    def stop_start(self) -> None:
        if self.running():
            self.engine.client.kill(self.current)
            self.engine.ended(self.current)
        self._pause(0.7)
        self.engine.client.start(self.current)

    def restart(self) -> None:
        self.engine.client.restart(self.current, timeout=0)

    def engine_restart(self) -> None:
        self.engine.stop()
        self._pause(0.5)
        self.engine.start()
        self.engine.client.start(self.current)

    def engine_kill(self) -> None:
        """What a container prints while the engine is dead never gets into the log."""
        if self.mode == "rotating":
            return  # where a gap must be told, only the engine's deletions may make one
        self.engine.kill()
        self._pause(0.5)
        self.engine.start()
        self.engine.client.start(self.current)

    def reader_kill(self) -> None:
        self.reader.kill()
        self._pause(0.4)
        if self.random.random() < 0.4:
            self.random.choice([self.stop_start, self.restart, self.anew, self.engine_restart])()
        self.reader.start()

    def reader_hang(self) -> None:
        """Backpressure: nobody takes what the engine sends."""
        self.reader.signal(signal.SIGSTOP)
        self._pause(1.0)
        self.reader.signal(signal.SIGCONT)

    def engine_hang(self) -> None:
        self.engine.signal(signal.SIGSTOP)
        self._pause(1.0)
        self.engine.signal(signal.SIGCONT)

    # The schedule

    def run(self, seconds: float) -> None:
        weights = {
            "restart": 3,
            "stop_start": 3,
            "anew": 4,
            "torn_down": 1,
            "engine_restart": 2,
            "engine_kill": 2,
            "engine_hang": 1,
            "reader_kill": 8,
            "reader_hang": 2,
        }
        # The reader first: of a log that was there before its very first start it promises nothing.
        self.reader.start()
        try:
            eventually(lambda: self.database.execute("SELECT 1 FROM told").fetchone(), "the reader to look", 20)
            self._create()
            eventually(lambda: self._count() > 0, "the first line", 20)
            step = 0.4
            for _ in range(round(seconds / step)):
                self.wait.wait(step * self.random.random() * 2)
                if self.random.random() < 0.5:
                    name = self.random.choices(list(weights), list(weights.values()))[0]
                    self.actions[name] = self.actions.get(name, 0) + 1
                    getattr(self, name)()
            if self.running():
                self.engine.client.kill(self.current)
                self.engine.ended(self.current)
            self._note(self.current)
            last = next((key for key in reversed(self.printed[self.current]) if key[1] == b"o"), None)
            if last is not None:
                eventually(lambda: self._seen(last), f"the last line {last}", 40, 0.2)
            self.wait.wait(2.5)  # for lines that must not come, and losses that must be told
            self.reader.kill()
        finally:
            with contextlib.suppress(AssertionError):
                self.reader.kill()
            self.engine.remove(NAME)

    def running(self) -> bool:
        return bool(self.engine.client.inspect_container(self.current)["State"]["Running"])

    def verdict(self) -> str:
        """Empty if all is well, else what is wrong."""
        wrong: list[str] = []
        seen: dict[Key, int] = {}
        series: dict[tuple[bytes, bytes], list[tuple[int, str, int]]] = {}  # of each: number, container, told before
        for line, container, told in self.database.execute("SELECT line, container, told FROM lines ORDER BY number"):
            for key, content in keys(line + b"\n"):
                if key in seen:
                    wrong.append(f"twice: {key}")
                seen[key] = content
                series.setdefault(key[:2], []).append((key[2], container, told or 0))
        lost = self.database.execute("SELECT place, reason, number FROM told WHERE kind = 'Lost'").fetchall()
        for container, printed in self.printed.items():
            missing = [key for key in printed if key not in seen]
            garbled = [key for key in printed if key in seen and seen[key] != printed[key]]
            if garbled:
                wrong.append(f"{len(garbled)} lines have another content, the first is {garbled[0]}")
            if missing and not self._told(container, lost):
                wrong.append(f"{len(missing)} lines of {container[:12]} are missing and nobody said so: {missing[:3]}")
        for run, found in series.items():
            if found != sorted(found) and self.mode != "rotating":
                wrong.append(f"out of order: {run}")
            # What the engine deleted is not in `printed`: a gap shows it, and a loss must be told after its beginning.
            before = (0, found[0][1], 0)
            for number, container, told in sorted(found) if self.mode == "rotating" else []:
                if number != before[0] + 1 and not any(container in place and at > before[2] for place, _, at in lost):
                    wrong.append(f"nobody said that lines {before[0] + 1} to {number - 1} of {run} are gone")
                before = number, container, told
        if self.mode == "lossless" and lost:
            wrong.append(f"losses without a loss: {lost}")
        known = {key for printed in self.printed.values() for key in printed}
        if self.mode == "lossless" and set(seen) - known:
            wrong.append(f"{len(set(seen) - known)} lines nobody printed: {list(set(seen) - known)[:3]}")
        return "; ".join(wrong[:5])

    def summary(self) -> str:
        told = dict(self.database.execute("SELECT kind, count(*) FROM told GROUP BY kind").fetchall())
        done = " ".join(f"{name}={count}" for name, count in sorted(self.actions.items()))
        printed = sum(len(lines) for lines in self.printed.values())
        return (
            f"seed={self.seed} {self.mode} {self.driver} tty={self.tty} containers={len(self.order)} "
            f"printed={printed} read={self._count()} {done} told={told}"
        )

    def _told(self, container: str, lost: list[tuple[str, str, int]]) -> bool:
        """Whether a loss names this container, or the stretch of containers it belongs to."""
        at = self.order.index(container)
        for place, reason, _ in lost:
            old = re.search(r"\((\w{12})\)", place)
            new = re.search(r"created anew as (\w{12})", reason)
            if old and old[1] == container[:12]:
                return True
            if old and new and self._created(old[1]) < at < self._created(new[1]):
                return True
        return False

    def _created(self, short: str) -> int:
        return next(number for number, container in enumerate(self.order) if container.startswith(short))

    # Small things

    def _create(self) -> None:
        rotating = self.mode == "rotating"
        burst = self.random.choice([5, 20, 100])
        script = SCRIPT.replace("BURST", str(burst)).replace("PAUSE", self.random.choice(["0.01", "0.05", "0.2"]))
        script = script.replace("LONG", str(burst * (60 if rotating else 10)))
        log: dict[str, str] = {}
        if rotating:
            log = {"max-size": self.random.choice(["20k", "60k", "200k"]), "max-file": self.random.choice("234")}
            log["compress"] = self.random.choice(["true", "false"])
        elif self.driver == "local":
            log = {"max-size": "500m"}
        self.current = self.engine.run(script, name=NAME, driver=self.driver, log=log, tty=self.tty)
        self.order.append(self.current)

    def _note(self, container: str) -> None:
        """Keep what the engine's log of the container holds."""
        text = self.engine.client.logs(container, stdout=True, stderr=False)
        text += b"" if self.tty else self.engine.client.logs(container, stdout=False, stderr=True)
        self.printed[container] = dict(keys(text))

    def _seen(self, key: Key) -> bool:
        prefix = b"%s %s %d " % key
        query = "SELECT 1 FROM (SELECT line FROM lines ORDER BY number DESC LIMIT 20000) WHERE substr(line, 1, ?) = ?"
        return self.database.execute(query, (len(prefix), prefix)).fetchone() is not None

    def _count(self) -> int:
        return int(self.database.execute("SELECT count(*) FROM lines").fetchone()[0])

    def _pause(self, seconds: float) -> None:
        self.wait.wait(self.random.random() * seconds)


if __name__ == "__main__":
    mode, driver, seconds, first, last = sys.argv[1:]
    with DockerEngine() as engine:
        for seed in range(int(first), int(last)):
            directory = Path(tempfile.mkdtemp(prefix="docker-torture-"))
            torture = Torture(engine, directory, seed, mode, driver)
            try:
                torture.run(float(seconds))
                wrong = torture.verdict()
            except (AssertionError, sqlite3.Error, docker.errors.DockerException) as error:
                wrong = f"{type(error).__name__} {error} | {torture.verdict()}"
            print(("BAD " if wrong else "ok  ") + torture.summary(), wrong, directory if wrong else "", flush=True)
            if not wrong:
                shutil.rmtree(directory)
