"""Which files come next, as a function of what a directory shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.sources.file_chain import missing_number, newer
from keeper.sources.file_trail import Trail
from keeper.sources.log_family import LogFamily, LogName
from keeper.sources.log_file import open_log
from tests.sources.tailing import Log, compress

MAX_LINE = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def names(log: Log, following: Path | None, trail: Trail) -> list[str]:
    members = LogFamily(str(log.path)).members()
    assert members is not None
    file = open_log(str(following), MAX_LINE) if following is not None else None
    if file is not None:
        file.look(1 << 20)
    found = [Path(each.file.path).name for each in newer(members, file, trail, 0.0, MAX_LINE)]
    if file is not None:
        file.close()
    return found


def test_everything_unread(log: Log) -> None:
    """Without a file to go on from, all files younger than the floor are unread, oldest first."""
    for _ in range(3):
        log.write()
        log.rename()
    log.write()
    trail = Trail((), 0)
    assert names(log, None, trail) == ["app.log.3", "app.log.2", "app.log.1", "app.log"]
    assert names(log, log.numbered(2), trail) == ["app.log.1", "app.log"]
    assert names(log, log.path, trail) == []
    trail.raise_floor(log.numbered(2).stat().st_mtime_ns)
    assert names(log, None, trail)[-1] == "app.log"


def test_not_the_file_itself(log: Log) -> None:
    """The file that is being read does not come after itself, not even when it grew since it was looked at."""
    log.write()
    file = open_log(str(log.path), MAX_LINE)
    file.look(1 << 20)
    rotated = log.path.rename(log.path.with_name("app.log-20261120"))
    log.write(to=rotated)
    log.write()
    members = LogFamily(str(log.path)).members()
    assert members is not None
    found = newer(members, file, Trail((), 0), 0.0, MAX_LINE)
    assert [each.file.path for each in found] == [str(log.path)]
    file.close()


def test_finished_files(log: Log) -> None:
    """A finished file is known under other names, copied and compressed; what was added to it since is not."""
    log.write(50)
    file = open_log(str(log.path), MAX_LINE)
    file.look(1 << 20)
    trail = Trail((), 0)
    trail.add(file.place(), None, 0.0)
    file.close()
    copy = log.path.with_name("app.log-20261120")
    copy.write_bytes(log.path.read_bytes())
    rotated = log.rename()
    log.write()
    assert names(log, None, trail) == ["app.log"]
    compress(rotated)
    assert names(log, None, trail) == ["app.log"]
    log.write(1, to=copy)
    members = LogFamily(str(log.path)).members()
    assert members is not None
    found = newer(members, None, trail, 0.0, MAX_LINE)
    assert [(Path(each.file.path).name, each.place is not None) for each in found] == [
        ("app.log-20261120", True),
        ("app.log", False),
    ]


@pytest.mark.parametrize(
    ("there", "here", "following", "missing"),
    [
        ([3, 2, 1, -1], 3, 2, None),
        ([3, 1, -1], 3, 1, 2),
        ([1, -1], 1, -1, None),
        ([2, -1], 2, -1, 1),
        ([1, 0, -1], 1, 0, None),
        ([4, 2, 1, -1], 4, -1, 3),
        ([3, 2, 1, -1], 3, -1, None),  # those between are finished or empty
        ([None, -1], None, -1, None),
        ([2, None, -1], 2, None, None),
    ],
)
def test_missing_number(there: list[int | None], here: int | None, following: int | None, missing: int | None) -> None:
    """Only a number that no file has is missing."""
    files = [LogName(f"app.log.{number}", 1, index, 1, 1, number) for index, number in enumerate(there)]
    now = next(file for file in files if file.number == here)
    then = next(file for file in files if file.number == following)
    assert missing_number(files, now, then) == missing
    assert missing_number(files, None, then) is None
