"""The thread of a log: how fast it wakes, how it stops, and what it does when it cannot be woken."""

from __future__ import annotations

import os
import queue
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.core.batch import Chunk, Item, Lost, SourceDown
from keeper.runtime.clock import Clock
from keeper.sources.file_tail import FileTail, FileTailSettings
from keeper.sources.inotify import Bell, watch_directory, watch_file
from tests.sources.tailing import Log, compress

NOW = Clock().now


class Running:
    """A FileTail in its thread."""

    def __init__(self, pattern: Path | str, settings: FileTailSettings | None = None) -> None:
        self.items: queue.Queue[Item] = queue.Queue()
        self.told: list[Item] = []
        self.position: str | None = None
        self._stop = threading.Event()
        tail = FileTail("node/log", str(pattern), None, NOW, settings or FileTailSettings())
        self.thread = threading.Thread(target=tail.run, args=(self.items.put, self._stop.wait), daemon=True)
        self.thread.start()

    def lines(self, count: int, seconds: float = 10) -> list[str]:
        """Wait for so many lines."""
        lines: list[str] = []
        end = NOW() + seconds
        while len(lines) < count:
            item = self.items.get(timeout=max(0.0, end - NOW()))
            self.told.append(item)
            if isinstance(item, Chunk):
                lines += item.data.decode().splitlines()
        return lines

    def stop(self) -> float:
        """Say stop; returns the seconds it took to end."""
        start = NOW()
        self._stop.set()
        self.thread.join(5)
        assert not self.thread.is_alive()
        return NOW() - start


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


@pytest.fixture
def running(log: Log) -> Iterator[Running]:
    log.write(1)
    running = Running(log.path)
    running.lines(1)
    yield running
    running.stop()


def test_wakes_at_once(log: Log, running: Running) -> None:
    """A line written to a quiet log is handed out within milliseconds, not at the next poll."""
    pause = threading.Event()
    delays = []
    for _ in range(40):
        pause.wait(0.03)
        start = NOW()
        wanted = log.write(1)
        assert running.lines(1) == wanted
        delays.append(NOW() - start)
    delays.sort()
    assert delays[len(delays) // 2] < 0.02


def test_many_lines_in_few_chunks(log: Log, running: Running) -> None:
    """A log written to all the time is looked at no more often than every 20 ms."""
    start = NOW()
    for _ in range(2000):
        log.write(1)
    seconds = NOW() - start
    running.lines(2000)
    chunks = [item for item in running.told if isinstance(item, Chunk)]
    assert len(chunks) < 5 + seconds / 0.02


def test_stops_while_idle_and_while_busy(log: Log, tmp_path: Path) -> None:
    """Stop is heard within half a second: idle, waiting for a file, and with a long poll interval."""
    log.write(1)
    slow = Running(log.path, FileTailSettings(poll_interval=60))
    slow.lines(1)
    assert slow.stop() < 0.5
    missing = Running(tmp_path / "missing" / "app.log")
    assert missing.stop() < 0.5


def test_rotations_while_running(log: Log, running: Running) -> None:
    """Renaming, truncating and compressing under a running source: every line once and in order."""
    wanted: list[str] = []
    for round_ in range(6):
        wanted += log.write(5)
        if round_ % 2:
            log.rename()
        else:
            log.copytruncate()
        if round_ == 4:
            compress(log.numbered(2))
    wanted += log.write(5)
    assert running.lines(len(wanted), 30) == wanted
    assert not [item for item in running.told if isinstance(item, Lost)]


def test_new_file_wakes(log: Log) -> None:
    """A log that appears is noticed by the event of its directory, long before the next poll."""
    running = Running(log.path, FileTailSettings(poll_interval=60))
    assert isinstance(running.items.get(timeout=5), SourceDown)
    running.items.get(timeout=5)  # the position of the beginning
    threading.Event().wait(0.2)
    wanted = log.write(2)
    assert running.lines(2, 5) == wanted
    running.stop()


def test_without_inotify_and_without_descriptors(log: Log) -> None:
    """With no descriptor left the source says so and polls; when there are some again it reads everything."""
    wanted = log.write(3)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    held: list[int] = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        running = Running(log.path)
        down = running.items.get(timeout=5)
        assert isinstance(down, SourceDown)
        assert "Too many open files" in down.reason
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert running.lines(3) == wanted
    wanted = log.write(2)
    assert running.lines(2) == wanted
    running.stop()


def test_bell(log: Log, tmp_path: Path) -> None:
    """It rings for writing to the open file under any name and for new names, not for writing to other files."""
    log.write(1)
    other = Log(tmp_path / "other.log")
    other.write(1)
    bell = Bell()
    with log.path.open("rb") as file:
        directory = watch_directory(str(tmp_path))
        assert directory is not None
        assert bell.watch([watch_file(file.fileno()), directory])
        assert not bell.watch([watch_file(file.fileno()), directory])
        assert not bell.wait(0)
        other.write(1)
        assert not bell.wait(0.05)
        log.write(1)
        assert bell.wait(1)
        bell.hush()
        assert not bell.wait(0)
        rotated = log.rename()
        assert bell.wait(1)
        bell.hush()
        log.write(1, to=rotated)
        assert bell.wait(1)
        bell.hush()
        rotated.unlink()
        assert bell.wait(1)
        bell.hush()
        assert not bell.watch([])
        bell.hush()  # the end of a watch rings too
        log.write(1)
        assert not bell.wait(0.05)
    assert watch_directory(str(tmp_path / "missing")) is None
    bell.close()
