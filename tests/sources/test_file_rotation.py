"""Renaming rotations of a log: live, and several while keeper was down."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from keeper.sources.file_tail import FileTailSettings
from tests.sources.tailing import Log, Tail, compress, text


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def test_rename_and_create(log: Log) -> None:
    """After a rotation the old file is read to its end, then the new one from its start."""
    wanted = log.write()
    tail = Tail(log.path)
    assert tail.lines() == wanted
    wanted = log.write()
    log.rename()
    wanted += log.write()
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_writer_stays_in_the_renamed_file(log: Log) -> None:
    """A writer that keeps the old file open is followed there as long as the new file is empty."""
    log.write()
    tail = Tail(log.path, FileTailSettings(linger=5))
    tail.lines()
    rotated = log.rename()
    log.path.touch()
    for _ in range(5):
        assert tail.lines(20) == []
        wanted = log.write(to=rotated)
        assert tail.lines(1) == wanted
    wanted = log.write(to=rotated) + log.write()
    assert tail.lines() == wanted


def test_old_lines_before_new_ones(log: Log) -> None:
    """A writer that takes a moment to change over: what it still writes to the old file comes before the new lines."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.write()
    tail.look()
    rotated = log.rename()
    new = log.write()
    assert tail.lines(0.5) == []
    late = log.write(to=rotated)
    assert tail.lines() == late + new


def test_both_files_written_to(log: Log) -> None:
    """An old file that never becomes quiet holds the new one back for a while only; then both are read."""
    log.write()
    tail = Tail(log.path, FileTailSettings(overlap=5))
    tail.lines()
    rotated = log.rename()
    wanted: list[str] = []
    lines: list[str] = []
    for number in range(20):
        wanted += log.write(1, to=rotated)
        tail.look()
        new = log.write(1)
        wanted += new
        log.append("half ", to=rotated)
        tail.wait(0.5)
        log.append("and half\n", to=rotated)
        assert (new[0] in text(tail.items)) == (number >= 10)
    tail.wait()
    lines = text(tail.items)[3:]
    assert sorted(line for line in lines if line.startswith("line")) == sorted(wanted)
    assert lines.count("half and half") == 20
    assert tail.lost() == []


def test_late_lines_of_the_old_file(log: Log) -> None:
    """Lines written to the old file after the new one was begun come late, but they come, and once."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    rotated = log.rename()
    new = log.write()
    assert tail.lines() == new
    late = log.write(to=rotated)
    assert tail.lines() == late
    tail.restart()
    late = log.write(to=rotated)
    new = log.write()
    assert sorted(tail.lines()) == sorted(late + new)
    assert tail.lost() == []


@pytest.mark.parametrize("rotations", [1, 2, 3, 6])
@pytest.mark.parametrize("gz", [False, True])
def test_several_rotations_while_down(log: Log, rotations: int, gz: bool) -> None:
    """All files rotated while keeper was down are read in their order, compressed or not."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write(5)
    for _ in range(rotations):
        rotated = log.rename()
        if gz:
            compress(rotated)
        wanted += log.write(4)
    assert tail.lines() == wanted
    assert tail.lost() == []
    assert tail.lines() == []


def test_several_rotations_between_two_looks(log: Log) -> None:
    """Several rotations while the loop was behind lose nothing: the open file tells where to go on."""
    wanted = log.write()
    tail = Tail(log.path)
    assert tail.lines() == wanted
    wanted = []
    for _ in range(3):
        wanted += log.write(2)
        log.rename()
    wanted += log.write(2)
    assert tail.lines() == wanted


def test_partial_line_at_the_end_of_a_file(log: Log) -> None:
    """A last line without newline is handed out when its file is finished, and not joined with the next file."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.append("half a line")
    assert tail.lines() == []
    log.rename()
    new = log.write()
    assert tail.lines() == ["half a line", *new]


def test_restart_in_the_middle_of_a_partial_line(log: Log) -> None:
    """The position stays before an unfinished line."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.append("one ")
    log.append("li")
    assert tail.lines() == []
    tail.restart()
    log.append("ne\nand half")
    assert tail.lines() == ["one line"]


def test_deleted_and_created_again(log: Log) -> None:
    """A deleted log is read to its end through the open descriptor; the new one is read from its start."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    wanted = log.write()
    log.path.unlink()
    assert tail.lines() == wanted
    new = log.write()
    assert tail.lines() == new
    assert tail.lost() == []


def test_dated_names(log: Log) -> None:
    """Rotated files with dates in their names, also before the extension, belong to the log."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write()
    for name in ("app.log-20261118", "app.log.2026-11-19_00", "app-2026-11-20.log"):
        log.path.rename(log.path.with_name(name))
        wanted += log.write()
    assert tail.lines() == wanted


def test_other_logs_nearby(log: Log) -> None:
    """Files whose names only begin alike are not read."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.rename()
    for name in ("app.log.err", "app.log.pos", "app-2.log", "application.log", "app.log~"):
        log.write(to=log.path.with_name(name))
    wanted = log.write()
    assert tail.lines() == wanted


def test_renamed_back(log: Log) -> None:
    """A rotation that is undone: the old file has the log's name again and is read on from where it was left."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    rotated = log.rename()
    new = log.write()
    assert tail.lines() == new
    log.path.unlink()
    rotated.rename(log.path)
    tail.wait(5)
    new = log.write()
    assert tail.lines() == new
    assert tail.up()
    tail.restart()
    new = log.write()
    assert tail.lines() == new
    assert tail.lost() == []


def test_many_rotations_and_archives_with_late_times(log: Log) -> None:
    """Old archives that were made later than everything else are known by their numbers to be old."""
    tail = Tail(log.path)
    for _ in range(10):
        wanted = log.write()
        assert tail.lines() == wanted
        log.rename()
    for number in range(5, 11):
        plain = log.numbered(number)
        log.numbered(number, ".gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    wanted = log.write()
    tail.restart()
    assert tail.lines() == wanted
    tail.restart()
    wanted = log.write()
    log.rename()
    wanted += log.write()
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_moved_away_for_a_moment(log: Log) -> None:
    """A file that cannot be found for a moment, as in the middle of a rotation, is waited for."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write()
    away = log.path.parent / "elsewhere"
    away.mkdir()
    log.path.rename(away / "app.log")
    wanted += log.write()
    assert tail.lines(0.5) == []
    (away / "app.log").rename(log.numbered(1))
    assert tail.lines() == wanted
    assert tail.lost() == []
