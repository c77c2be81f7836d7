"""Which names belong to a log, and the order of its files."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from keeper.sources.log_family import LogFamily, LogName, in_order, same_files


@pytest.mark.parametrize(
    ("name", "belongs", "number"),
    [
        ("app.log", True, -1),
        ("app.log.1", True, 1),
        ("app.log.12", True, 12),
        ("app.log.003", True, 3),
        ("app.log.1.gz", True, 1),
        ("app.log.gz", True, None),
        ("app.log.0", True, 0),
        ("app.log-20261120", True, None),
        ("app.log-20261120.gz", True, None),
        ("app.log.2026-11-20_13", True, None),
        ("app.log.2026-11-20T13:00:00", True, None),
        ("app.log-20261120-1732100000.gz", True, None),
        ("app.log.old", True, None),
        ("app-2026-11-20.log", True, None),
        ("app__2026-11-20_00-00-00.log", True, None),
        ("app.1.log", True, 1),
        ("app.2.log.gz", True, 2),
        ("app-2.log", False, None),
        ("app_b.log", False, None),
        ("app.log.err", False, None),
        ("app.log~", False, None),
        ("app.log.1.bak", False, None),
        ("app.log.swp", False, None),
        ("xapp.log", False, None),
        ("app", False, None),
    ],
)
def test_names_of_a_path(name: str, belongs: bool, number: int | None) -> None:
    """Rotated names in use belong to their log; names of others do not."""
    assert LogFamily("/var/log/app.log").number(name) == (belongs, number)


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        ("nodeos-2026-11-20.log", True),
        ("nodeos-2026-11-20.log.gz", True),
        ("nodeos-2026-11-20.log.1", True),
        ("nodeos-2026-11-20.log.1.gz", True),
        ("nodeos-.log", True),
        (".nodeos-1.log", False),
        ("nodeos.log", False),
        ("nodeos-1.log.swp", False),
        ("other-1.log", False),
    ],
)
def test_names_of_a_glob(name: str, belongs: bool) -> None:
    """What matches, and its rotated and compressed forms."""
    assert LogFamily("/var/log/nodeos-*.log").number(name)[0] == belongs


def test_order() -> None:
    """Numbers are right where times are wrong; dates follow their times; the log itself is the newest."""

    def file(name: str, time: int, number: int | None) -> LogName:
        return LogName(name, 1, time, 10, time, number)

    wanted = [
        file("a.log-1", 10, None),
        file("a.log.3.gz", 95, 3),
        file("a.log-2", 30, None),
        file("a.log.2.gz", 90, 2),
        file("a.log.1", 40, 1),
        file("a.log", 5, -1),
    ]
    for seed in range(20):
        shuffled = wanted.copy()
        Random(seed).shuffle(shuffled)
        ordered = in_order(shuffled)
        assert [f.path for f in ordered if f.number is not None] == ["a.log.3.gz", "a.log.2.gz", "a.log.1", "a.log"]
        assert [f.path for f in ordered if f.number is None] == ["a.log-1", "a.log-2"]
        assert ordered[-1].path == "a.log"


def test_listing(tmp_path: Path) -> None:
    """A hard link counts once, an archive beside its plain file not at all, and everything irregular is left out."""
    log = tmp_path / "app.log"
    for number, name in enumerate(("app.log.2", "app.log.2.gz", "app.log.1", "app.log.3.gz", "app.log")):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (number, number))
    os.link(log, tmp_path / "app.log.old")
    (tmp_path / "app.log.4").mkdir()
    os.mkfifo(tmp_path / "app.log.5")
    (tmp_path / "app.log.6").symlink_to(tmp_path / "nowhere")
    members = LogFamily(str(log)).members()
    assert members is not None
    assert [Path(each.path).name for each in members] == ["app.log.3.gz", "app.log.2", "app.log.1", "app.log"]
    assert same_files(members, members[::-1])
    assert not same_files(members, members[1:])
    assert not same_files(members, None)


def test_symbolic_link(tmp_path: Path) -> None:
    """A link is the file it points to; its rotated forms are sought beside the link and beside the file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "app.log").write_text("x")
    (tmp_path / "data" / "app.log.1").write_text("y")
    (tmp_path / "app.log").symlink_to(tmp_path / "data" / "app.log")
    family = LogFamily(str(tmp_path / "app.log"))
    assert family.directories() == [str(tmp_path), str(tmp_path / "data")]
    members = family.members()
    assert members is not None
    assert [each.number for each in members] == [1, -1]
