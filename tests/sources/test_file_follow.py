"""Following one log that is not rotated: where it begins, lines, positions, restarts."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from keeper.core.batch import Chunk, SourceUp
from keeper.sources.file_tail import FileTailSettings
from tests.sources.tailing import Log, Tail, text


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def test_first_start_in_the_middle(log: Log) -> None:
    """The very first start begins with the first line that starts within the lookback."""
    lines = log.write(100)
    size = len(lines[0]) + 1
    for lookback, wanted in ((size * 10, 10), (size * 10 - 1, 9), (size * 10 + 1, 10), (0, 0), (1 << 30, 100)):
        assert Tail(log.path, FileTailSettings(lookback=lookback)).lines() == lines[100 - wanted :]


def test_first_start_inside_a_line(log: Log) -> None:
    """A start at the end, while a line is being written, leaves that line out and takes the next."""
    log.append("first\nhalf of the sec")
    tail = Tail(log.path, FileTailSettings(lookback=0))
    assert tail.lines() == []
    log.append("ond\nthird\n")
    assert tail.lines() == ["third"]


def test_first_start_is_remembered(log: Log) -> None:
    """A position exists from the first look on: what is written while keeper is down is read, however much it is."""
    log.path.touch()
    tail = Tail(log.path, FileTailSettings(lookback=0))
    tail.look()
    tail.restart()
    wanted = log.write(10)
    assert tail.lines() == wanted


def test_restart_at_every_chunk(log: Log) -> None:
    """Killed after every chunk: no line twice, none lost."""
    wanted = log.write(300)
    tail = Tail(log.path, FileTailSettings(max_read=100, lookback=1 << 30))
    lines: list[str] = []
    for _ in range(2000):
        items = tail.source.poll()
        lines += text(items)
        chunks = [item for item in items if isinstance(item, Chunk)]
        if chunks:
            tail.position = chunks[-1].position
            tail.restart()
    assert lines == wanted


def test_file_that_is_not_there_yet(log: Log) -> None:
    """A log that appears later is read from its first line, also if that happens while keeper is down."""
    tail = Tail(log.path)
    tail.wait()
    assert "is not there" in tail.downs()[0]
    assert len(tail.downs()) == 1
    wanted = log.write(3)
    assert tail.lines() == wanted
    assert tail.up()

    other = Log(log.path.with_name("other.log"))
    tail = Tail(other.path)
    tail.look()
    tail.restart()
    wanted = other.write(70_000)
    other.rename()
    wanted += other.write(3)
    assert tail.lines() == wanted


def test_line_that_is_too_long(log: Log) -> None:
    """A line over the limit is cut and counted; the lines around it are whole; a restart inside it changes nothing."""
    tail = Tail(log.path, FileTailSettings(max_line=1000, max_read=300))
    tail.look()
    log.append("before\n" + "x" * 5000)
    tail.look()
    tail.restart()
    tail.look()
    log.append("y" * 5000 + "\nafter\n")
    tail.look()
    assert text(tail.items) == ["before", "x" * 999, "after"]
    assert sum(item.cut for item in tail.items if isinstance(item, Chunk)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_any_bytes(log: Log, seed: int) -> None:
    """NUL, broken UTF-8, carriage returns: every byte between newlines comes as it was written."""
    print(f"seed {seed}")
    random = Random(seed)
    content = b"".join(random.randbytes(random.randrange(200)) + b"\n" for _ in range(500))
    tail = Tail(log.path)
    tail.look()
    log.append(b"a start\n")
    while content:
        piece = random.randrange(1, 5000)
        log.append(content[:piece])
        content = content[piece:]
        tail.look()
    data = b"".join(item.data for item in tail.items if isinstance(item, Chunk))
    assert data == log.path.read_bytes()


def test_chunks_are_whole_lines(log: Log) -> None:
    """Every chunk ends in a newline, is not much longer than what is read at a time, and carries its own position."""
    tail = Tail(log.path, FileTailSettings(lookback=1 << 30, max_read=1000))
    log.write(1000)
    tail.look()
    offset = 0
    for chunk in (item for item in tail.items if isinstance(item, Chunk)):
        offset += len(chunk.data)
        assert json.loads(chunk.position)["at"]["offset"] == offset
        assert chunk.data.endswith(b"\n")
        assert len(chunk.data) < 1100


def test_silent_log_is_said_to_be_seen(log: Log) -> None:
    """A log without new lines is said to be up once a second; the time is that of the look, before it was read."""
    log.write(1)
    tail = Tail(log.path)
    tail.wait(1)
    items = tail.wait(10)
    assert all(isinstance(item, SourceUp) for item in items)
    assert 9 <= len(items) <= 11
    assert items[-1].at <= tail.time  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        ("garbage", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"v": 99}', "not of this version"),
        ("null", "not of this version"),
        ('{"v": 1}', "damaged"),
        ('{"v": 1, "pattern": 3, "floor_ns": 0, "before": [], "at": null}', "damaged"),
        ('{"v": 1, "pattern": "/else.log", "floor_ns": 0, "before": [], "at": null}', "belongs to /else.log"),
        ('{"v": 1, "pattern": "/else.log", "floor_ns": 0, "before": [3], "at": null}', "damaged"),
    ],
)
def test_unusable_position(log: Log, saved: str, why: str) -> None:
    """A position that is garbage, of another version or of another log is said once, and reading begins anew."""
    lines = log.write(3)
    tail = Tail(log.path, saved=saved)
    assert tail.lines() == lines
    (lost,) = tail.lost()
    assert lost.size == 0
    assert why in lost.reason
    tail.restart()
    assert tail.lines() == []
    assert len(tail.lost()) == 1


@pytest.mark.parametrize("seed", range(3))
def test_damaged_position(log: Log, seed: int) -> None:
    """Whatever becomes of the stored text: keeper starts, and either goes on right or says that it begins anew."""
    print(f"seed {seed}")
    random = Random(seed)
    lines = log.write(50)
    tail = Tail(log.path)
    tail.lines()
    good = tail.position or ""
    for _ in range(150):
        at = random.randrange(len(good))
        bad = good[:at] + random.choice(["", "9", "x", '"', "-", "{", "null"]) + good[at + random.randrange(4) :]
        tail = Tail(log.path, saved=bad)
        seen = tail.lines()
        assert seen in ([], lines) or tail.lost(), bad


def test_inode_reused(log: Log) -> None:
    """Another file under the old inode and name is another file, although device and inode say it is the same."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    with log.path.open("r+b") as file:  # the same inode, for sure
        file.truncate(0)
    new = log.write(200)
    assert tail.lines() == new
    assert len(tail.lost()) == 1


def test_file_shorter_than_the_head(log: Log) -> None:
    """The identity of a short file survives its growth over every length, and renaming."""
    tail = Tail(log.path)
    tail.lines()
    seen: list[str] = []
    wanted: list[str] = []
    for _ in range(80):
        wanted += log.write(1)
        seen += tail.lines(0.1)
        tail.restart()
    wanted += log.write(1)
    log.rename()
    wanted += log.write(1)
    assert seen + tail.lines() == wanted
    assert tail.lost() == []


def test_names_that_are_not_text(tmp_path: Path) -> None:
    """A path with bytes that are not UTF-8 survives the position text."""
    log = Log(tmp_path / "l\udcff\udc80g.log")
    lines = log.write(3)
    tail = Tail(log.path)
    assert tail.lines() == lines
    tail.restart()
    lines = log.write(3)
    log.rename()
    assert tail.lines() == lines
    assert tail.lost() == []
