"""Logs that cannot be read: said once with the cure, tried again, and no harm to what comes after."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeper.sources.file_tail import FileTailSettings
from tests.sources.tailing import Log, Tail

NOBODY = 65534


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def as_nobody(directory: Path) -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    for part in (directory, *list(directory.parents)[:3]):
        if part.stat().st_uid == 0 and str(part) != "/tmp":
            part.chmod(part.stat().st_mode | 0o055)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_permission_denied(log: Log, tmp_path: Path) -> None:
    """A log that may not be read is down with its cure, once; when it may be, it is up and read."""
    lines = log.write(3)
    log.path.chmod(0)
    with as_nobody(tmp_path):
        tail = Tail(log.path)
        tail.wait(5)
    assert len(tail.downs()) == 1
    assert "permission denied; put keeper's user into the group" in tail.downs()[0]
    log.path.chmod(0o644)
    with as_nobody(tmp_path):
        assert tail.lines() == lines
    assert tail.up()


def test_new_file_may_not_be_read(log: Log, tmp_path: Path) -> None:
    """After a rotation to a file that may not be read the log is down until it may; nothing is lost."""
    log.write(3)
    with as_nobody(tmp_path):
        tail = Tail(log.path)
        tail.lines()
    log.rename()
    wanted = log.write(3)
    log.path.chmod(0)
    with as_nobody(tmp_path):
        assert tail.lines(5) == []
        assert len(tail.downs()) == 1
        assert not tail.up()
    log.path.chmod(0o644)
    with as_nobody(tmp_path):
        assert tail.lines() == wanted
        assert tail.up()
    assert tail.lost() == []


def test_rotated_file_may_not_be_read(log: Log, tmp_path: Path) -> None:
    """A rotated file that stays closed is passed over and its bytes are lost; the next ones are read."""
    log.write(3)
    with as_nobody(tmp_path):
        tail = Tail(log.path)
        tail.lines()
        tail.restart()
    wanted = log.write(3)
    log.rename()
    log.write(5)
    size = log.path.stat().st_size
    log.rename().chmod(0)
    wanted += log.write(3)
    with as_nobody(tmp_path):
        assert tail.lines(5) == wanted
        (lost,) = tail.lost()
        assert (lost.size, lost.offset, lost.where) == (size, 0, f"{log.path}.1")
        assert "permission denied" in lost.reason
        tail.restart()
        assert tail.lines() == []
        assert len(tail.lost()) == 1


def test_own_file_closed_while_down(log: Log, tmp_path: Path) -> None:
    """The very file that was being read, rotated and closed to us while keeper was down: its rest is lost, in time."""
    log.write(3)
    with as_nobody(tmp_path):
        tail = Tail(log.path)
        tail.lines()
        tail.restart()
    rest = log.write(3)
    log.rename().chmod(0)
    new = log.write(3)
    with as_nobody(tmp_path):
        assert tail.lines(5) == new
    (lost,) = tail.lost()
    assert lost.size == sum(len(line) + 1 for line in rest)
    assert "permission denied" in lost.reason


def test_not_a_regular_file(log: Log) -> None:
    """Directories, pipes, sockets and devices are refused with the reason; a file in their place is followed."""
    path = log.path
    device = Tail("/dev/null")
    device.wait()
    assert "is a device" in device.downs()[0]
    path.mkdir()
    tail = Tail(path)
    tail.wait()
    path.rmdir()
    os.mkfifo(path)
    tail.wait()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        tail.wait()
    path.unlink()
    kinds = ("is a directory", "is a named pipe", "is a socket")
    assert [kind for down in tail.downs() for kind in kinds if kind in down] == list(kinds)
    wanted = log.write()
    assert tail.lines() == wanted
    assert tail.up()


def test_disk_error() -> None:
    """A file whose reading fails is down with the system's reason, and the source lives on."""
    path = f"/proc/{os.getpid()}/mem"  # a regular file that cannot be read at its start
    tail = Tail(path)
    tail.wait()
    assert tail.downs() == [f"{path} cannot be read: Input/output error"]


def test_log_becomes_a_directory(log: Log) -> None:
    """A log that is replaced by something that is no file is down after a while."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    log.path.rename(log.path.with_name("away"))
    log.path.mkdir()
    tail.wait(10)
    assert ["is a directory" in down for down in tail.downs()] == [True]


def test_missing_directory(tmp_path: Path) -> None:
    """A directory that does not exist is named; when it is there with the log, the log is read from its first line."""
    log = Log(tmp_path / "later" / "app.log")
    tail = Tail(log.path)
    tail.wait()
    assert f"the directory {log.path.parent} does not exist" in tail.downs()[0]
    log.path.parent.mkdir()
    tail.wait()
    wanted = log.write()
    assert tail.lines() == wanted
    assert len(tail.downs()) == 2  # the directory, then the file


def test_directory_goes_away_for_a_while(log: Log, tmp_path: Path) -> None:
    """A file system that is not mounted when keeper starts is waited for: nothing is lost and nothing is read twice."""
    directory = tmp_path / "mounted"
    directory.mkdir()
    log = Log(directory / "app.log")
    log.write(50)
    tail = Tail(log.path)
    tail.lines()
    wanted = log.write(3)
    tail.restart()
    directory.rename(tmp_path / "away")
    assert tail.lines(60) == []
    assert not tail.up()
    (tmp_path / "away").rename(directory)
    assert tail.lines() == wanted
    assert tail.up()
    assert tail.lost() == []


def test_deleted_log_is_down_after_a_while(log: Log) -> None:
    """A log that is deleted and not created again is down when nobody writes to it any more, and up when it is back."""
    log.write()
    tail = Tail(log.path)
    tail.lines()
    with log.path.open("ab") as writer:
        log.path.unlink()
        for _ in range(10):
            writer.write(b"still written\n")
            writer.flush()
            assert tail.lines(1) == ["still written"]
            assert tail.up()
    tail.wait(10)
    assert len(tail.downs()) == 1
    wanted = log.write()
    assert tail.lines() == wanted
    assert tail.up()
    assert tail.lost() == []


def test_few_descriptors(log: Log) -> None:
    """However often the log is rotated, only a few files are open; deleted ones are let go after a while."""
    log.write()
    before = descriptors()
    tail = Tail(log.path, FileTailSettings(linger=1e9))
    tail.lines()
    for _ in range(20):
        log.rename()
        log.write()
        tail.lines()
        assert descriptors() - before <= 3
    for number in range(1, 21):
        log.numbered(number).unlink()
    tail.lines(15)
    assert descriptors() - before == 1
    tail.source.close()
    assert descriptors() == before


def test_rotation_deleted_before_it_was_read(log: Log) -> None:
    """A number missing between two rotations is said, although nobody can know how much it held."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    wanted = log.write(2)
    log.rename()
    log.write(2)
    log.rename().unlink()
    wanted += log.write(2)
    log.rename()
    wanted += log.write(2)
    assert tail.lines(5) == wanted
    (lost,) = tail.lost()
    assert (lost.size, lost.where) == (0, f"{log.path}.2")


def test_file_deleted_while_down(log: Log) -> None:
    """The file that was being read is gone: the loss says what was known, and the files after it are read."""
    log.write(100)
    tail = Tail(log.path)
    tail.lines()
    tail.restart()
    log.write(2)
    log.rename().unlink()
    wanted = log.write(2)
    log.rename()
    wanted += log.write(2)
    assert tail.lines() == wanted
    (lost,) = tail.lost()
    assert lost.size == 0
    assert "at least 0 bytes" in lost.reason
