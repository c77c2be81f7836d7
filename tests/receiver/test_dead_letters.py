"""The dead-letter file."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from keeper.cli import main
from keeper.receiver.dead_letters import FILE, DeadLetters, Letters, read_letters
from keeper.receiver.home import home
from keeper.receiver.packet import Event, Said, pack, packet_of


def letters(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_each_record_stands_once_with_its_reason(tmp_path: Path) -> None:
    """Also when another worker has written it, or this one before it was killed."""
    path = tmp_path / "dead"
    one, other = DeadLetters(path, lambda: 0.0), DeadLetters(path, lambda: 1.0)
    assert one.add([(b"a", "bad"), (b"\xff\n", "worse")]) == 2
    assert other.add([(b"a", "bad"), (b"c", "bad")]) == 1
    assert one.add([(b"c", "bad")]) == 0
    assert DeadLetters(path, lambda: 2.0).add([(b"a", "bad"), (b"d", "bad")]) == 1
    assert [(one["record"], one["reason"]) for one in letters(path)] == [
        ("a", "bad"), ("\udcff\n", "worse"), ("c", "bad"), ("d", "bad")
    ]  # fmt: skip
    assert Letters(path).count() == 4
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_of_a_killed_worker_is_removed(tmp_path: Path) -> None:
    """Its record is still in the queue, and comes again."""
    path = tmp_path / "dead"
    DeadLetters(path, lambda: 0.0).add([(b"a", "bad")])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert DeadLetters(path, lambda: 0.0).add([(b"b", "bad")]) == 1
    assert [letter["record"] for letter in letters(path)] == ["a", "b"]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """That is how a person takes the letters out."""
    path = tmp_path / "dead"
    dead = DeadLetters(path, lambda: 0.0)
    dead.add([(b"a", "bad")])
    path.rename(tmp_path / "seen")
    assert dead.add([(b"a", "bad again")]) == 1
    assert [letter["reason"] for letter in letters(path)] == ["bad again"]


def test_letters_are_moved_once(tmp_path: Path) -> None:
    """Who comes second finds none, and takes no empty file for them, nor the place of those that were moved."""
    path, aside = tmp_path / "dead", tmp_path / "aside"
    one, other = DeadLetters(path, lambda: 0.0), DeadLetters(path, lambda: 0.0)
    one.add([(b"a", "bad")])
    assert one.move(aside)
    assert not other.move(aside)
    assert not path.exists()
    assert [letter.record for letter in read_letters(aside)] == [b"a"]


@pytest.mark.parametrize("away", [Path.unlink, lambda path: os.truncate(path, 0)])
def test_a_letter_whose_file_was_removed_is_written_again(tmp_path: Path, away: Callable[[Path], None]) -> None:
    """Though the new file may have the number of the old one, and the record is one that was there."""
    path = tmp_path / "dead"
    dead = DeadLetters(path, lambda: 0.0)
    assert dead.add([(b"one", "bad"), (b"two", "bad")]) == 2
    away(path)
    assert dead.add([(b"one", "bad")]) == 1
    assert [letter.record for letter in read_letters(path)] == [b"one"]


def test_a_letter_that_the_disk_did_not_take_is_written_later(tmp_path: Path) -> None:
    """A limit of the file's size stands for a full disk: nothing of the letter stays, and it is not known."""
    path = tmp_path / "dead"
    dead = DeadLetters(path, lambda: 0.0)
    dead.add([(b"one", "bad")])
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            dead.add([(b"two", "bad")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.stat().st_size == size
    assert dead.add([(b"one", "bad"), (b"two", "bad")]) == 1
    assert [letter.record for letter in read_letters(path)] == [b"one", b"two"]


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    """Nothing was ever set aside."""
    assert Letters(tmp_path / "dead").count() == 0


def test_the_letters_that_stand_in_the_file_now_are_counted(tmp_path: Path) -> None:
    """Whoever writes them, and none when a person took them away: then nobody must look any more."""
    path = tmp_path / "dead"
    letters, dead = Letters(path), DeadLetters(path, lambda: 0.0)
    dead.add([(b"a", "bad"), (b"b", "bad")])
    assert (letters.count(), letters.count()) == (2, 2)
    with path.open("ab") as file:
        file.write(b'{"torn')
    assert letters.count() == 2
    dead.add([(b"c", "bad")])
    assert letters.count() == 3
    path.rename(tmp_path / "seen")
    assert letters.count() == 0
    dead.add([(b"d", "bad")])
    assert letters.count() == 1


def configured(tmp_path: Path) -> list[str]:
    config = tmp_path / "config.ini"
    config.write_text(f"[keeper]\nstate_dir = {tmp_path}\n[receiver]\nlisten = 127.0.0.1:0\n")
    return ["letters", "-c", str(config)]


def test_letters_that_cannot_be_moved_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of another user, on a disk that takes no writes, or no file: it is said, and nothing was done."""
    command = configured(tmp_path)
    live = home(str(tmp_path)) / FILE
    live.mkdir()
    assert main([*command, "--retry"]) == 1
    assert f"keeper: cannot move {live} aside: Is a directory" in capsys.readouterr().err


def test_a_retry_that_is_cut_short_names_the_file_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The letters were moved aside for it; the store may be away."""
    command = configured(tmp_path)
    config = tmp_path / "config.ini"
    config.write_text(config.read_text() + "store = postgresql://nobody@127.0.0.1:1/nowhere\n")
    record = pack(packet_of(Said("Login", [Event(None, b"{}")]), "default", 7, 1_795_600_000.0))
    DeadLetters(home(str(tmp_path)) / FILE, lambda: 0.0).add([(record, "no table for it")])
    assert main([*command, "--retry"]) == 1
    [aside] = home(str(tmp_path)).glob("dead_letters-*.jsonl")
    assert f"keeper letters {aside} --retry" in capsys.readouterr().err
    assert aside.stem.endswith(f"-{os.getpid()}")  # no other one's, though begun in the same second
    assert [letter.record for letter in read_letters(aside)] == [record]


def test_letters_are_shown_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be stored now is, once; what cannot stays a letter; a second retry of the same file changes nothing."""
    command = configured(tmp_path)
    assert main(command) == 0
    live = home(str(tmp_path)) / FILE
    good = pack(packet_of(Said("Login", [Event(None, b'{"n":1}')]), "default", 7, 1_795_600_000.0))
    DeadLetters(live, lambda: 0.0).add([(good, "no table for it"), (b"garbage \xff", "no record")])
    assert main(command) == 3
    shown = capsys.readouterr().out
    assert "1 x no table for it\n" in shown
    assert "garbage \\xff" in shown
    assert shown.endswith("2 letters; when the cause is mended, --retry stores them\n")
    assert main([*command, "--retry", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["fresh"], told["repeated"], told["left"]) == (1, 0, 1)
    assert [letter.record for letter in read_letters(live)] == [b"garbage \xff"]
    assert main([*command, "--retry", "--json", told["file"]]) == 3
    again = json.loads(capsys.readouterr().out)
    assert (again["fresh"], again["repeated"], again["left"]) == (0, 1, 1)
    assert len(list(read_letters(live))) == 1


def test_a_retry_that_fails_says_where_the_letters_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They were moved aside, and stand there all the same."""
    command = configured(tmp_path)
    live = home(str(tmp_path)) / FILE
    good = pack(packet_of(Said("Login", [Event(None, b'{"n":1}')]), "default", 7, 1_795_600_000.0))
    DeadLetters(live, lambda: 0.0).add([(good, "no table for it")])
    (tmp_path / "packets.db").mkdir()
    assert main([*command, "--retry"]) == 1
    [aside] = home(str(tmp_path)).glob("dead_letters-*.jsonl")
    assert f"keeper letters {aside} --retry" in capsys.readouterr().err
    (tmp_path / "packets.db").rmdir()
    assert main([*command, "--retry", str(aside)]) == 0
