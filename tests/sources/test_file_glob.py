"""A glob whose files are one log: new names instead of renamed files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.sources.file_tail import FileTailSettings
from tests.sources.tailing import Log, Tail, compress


class Dated:
    """A log that goes on under a new name each day."""

    def __init__(self, directory: Path) -> None:
        self.day = 10
        self.directory = directory
        self.log = Log(directory / f"nodeos-2026-11-{self.day}.log")

    def next_day(self) -> Path:
        old = self.log.path
        self.day += 1
        self.log.path = self.directory / f"nodeos-2026-11-{self.day}.log"
        return old


@pytest.fixture
def dated(tmp_path: Path) -> Dated:
    return Dated(tmp_path)


def pattern(dated: Dated) -> str:
    return str(dated.directory / "nodeos-*.log")


def test_new_names(dated: Dated) -> None:
    """The newest file is followed; when a newer one appears the old one is finished first."""
    dated.log.write()
    dated.next_day()
    today = dated.log.write()
    tail = Tail(pattern(dated))
    assert tail.lines() == today
    wanted = dated.log.write()
    dated.next_day()
    wanted += dated.log.write()
    assert tail.lines() == wanted
    assert tail.lost() == []


@pytest.mark.parametrize("gz", [False, True])
def test_several_days_while_down(dated: Dated, gz: bool) -> None:
    """Files that came while keeper was down are read in the order of their times, archives too."""
    dated.log.write(10)
    tail = Tail(pattern(dated))
    tail.lines()
    tail.restart()
    wanted = dated.log.write(2)
    for _ in range(3):
        old = dated.next_day()
        if gz:
            compress(old)
        wanted += dated.log.write(2)
    assert tail.lines() == wanted
    assert tail.lost() == []


def test_old_files_compressed_later(dated: Dated) -> None:
    """Compressing files that were read long ago brings none of them back."""
    tail = Tail(pattern(dated), FileTailSettings(poll_interval=0.1))
    old: list[Path] = []
    for _ in range(8):
        wanted = dated.log.write(5)
        assert tail.lines() == wanted
        old.append(dated.next_day())
    wanted = dated.log.write(5)
    assert tail.lines() == wanted
    for path in old:
        compress(path)
        assert tail.lines(1) == []
    tail.restart()
    assert tail.lines() == []
    assert tail.lost() == []


def test_empty_archives(dated: Dated) -> None:
    """An archive of an empty file, made at any time, does not lead away from the file that is written to."""
    dated.log.write(5)
    tail = Tail(pattern(dated))
    tail.lines()
    for day in ("01", "02"):
        empty = dated.directory / f"nodeos-2026-11-{day}.log"
        empty.touch()
        compress(empty)
        assert tail.lines() == []
        wanted = dated.log.write(1)
        assert tail.lines() == wanted
        assert json.loads(tail.position or "")["at"]["path"] == str(dated.log.path)


def test_nothing_there_yet(dated: Dated) -> None:
    """A glob without a file is down with a reason, and the first file is read from its first line."""
    tail = Tail(pattern(dated))
    tail.wait()
    assert "no file but archives matches" in tail.downs()[0]
    wanted = dated.log.write()
    assert tail.lines() == wanted
    assert tail.up()


def test_two_writers_at_once(dated: Dated) -> None:
    """Two files written to in turns: all lines come, none twice, whatever the times say."""
    first = dated.log.path
    wanted = dated.log.write(20)
    tail = Tail(pattern(dated), FileTailSettings(lookback=1 << 20))
    seen = tail.lines()
    dated.next_day()
    for number in range(30):
        wanted += dated.log.write(1, to=first if number % 2 else None)
        seen += tail.lines(0.7)
        if number % 7 == 0:
            tail.restart()
    seen += tail.lines(20)
    assert sorted(seen) == sorted(wanted)
    assert tail.lost() == []


def test_names_reused(tmp_path: Path) -> None:
    """Names that come again each week with new content are new files."""
    log = Log(tmp_path / "app-mon.log")
    tail = Tail(str(tmp_path / "app-*.log"))
    tail.lines()
    for day in ("mon", "tue", "mon", "tue", "mon"):
        log.path = tmp_path / f"app-{day}.log"
        log.path.unlink(missing_ok=True)
        wanted = log.write(3)
        assert tail.lines() == wanted
    assert tail.lost() == []


def test_hidden_and_foreign_names(dated: Dated) -> None:
    """Hidden files, directories and names that do not match are left alone."""
    dated.log.write()
    tail = Tail(pattern(dated))
    tail.lines()
    dated.log.write(to=dated.directory / ".nodeos-1.log")
    dated.log.write(to=dated.directory / "nodeos-2026-11-11.log.swp")
    (dated.directory / "nodeos-2026-11-12.log").mkdir()
    assert tail.lines() == []
    wanted = dated.log.write()
    assert tail.lines() == wanted


def test_glob_over_directories(tmp_path: Path) -> None:
    """The directory may be a glob too."""
    (tmp_path / "node1").mkdir()
    log = Log(tmp_path / "node1" / "app.log")
    wanted = log.write()
    tail = Tail(str(tmp_path / "node*" / "app.log"))
    assert tail.lines() == wanted
    (tmp_path / "node2").mkdir()
    log.path = tmp_path / "node2" / "app.log"
    wanted = log.write()
    assert tail.lines() == wanted
