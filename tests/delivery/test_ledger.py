"""The ledger: what it was told stays told, whatever happens to the process, the disk or the files."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeper.cli import main
from keeper.delivery.appended import Appended, Unchanged
from keeper.delivery.ledger import FILE, IDS_FILE, Fate, Ledger, Note, read_ids
from keeper.delivery.resend_log import Confirmed, confirmed
from keeper.errors import StateError

A, B = "a" * 32, "b" * 32


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, lambda: "2026-11-20T00:00:00.000Z")


@contextmanager
def ledger_of(folder: Path) -> Iterator[Ledger]:
    ledger = opened(folder)
    yield ledger
    ledger.close()


def test_what_was_noted_is_known_by_the_next(tmp_path: Path) -> None:
    """Fates survive; the id of what was delivered stands in ids.ok, once."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.SENDING), Note(2, A, Fate.SENDING), Note(3, A, Fate.SENDING)])
        ledger.note([Note(1, A, Fate.DELIVERED), Note(2, A, Fate.UNKNOWN, "no answer within 300 s")])
        ledger.note([Note(1, B, Fate.SENDING), Note(1, B, Fate.DELIVERED)])
    with ledger_of(tmp_path) as ledger:
        assert ledger.remarks == []
        fates = [ledger.fate(*name) for name in ((1, A), (1, B), (2, A), (3, A), (4, A))]
        assert fates == [Fate.DELIVERED, Fate.DELIVERED, Fate.UNKNOWN, Fate.SENDING, None]
    assert (tmp_path / IDS_FILE).read_text() == "1\n"


def test_an_id_that_repeats_with_other_content_is_another_packet(tmp_path: Path) -> None:
    """The agent was restarted: that one packet 1 arrived says nothing of the other."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED)])
        assert ledger.fate(1, B) is None
    with ledger_of(tmp_path) as ledger:
        assert ledger.fate(1, B) is None, "though ids.ok has the id"
        assert not ledger.by_id_only(1, B)


def test_nothing_takes_back_that_it_arrived(tmp_path: Path) -> None:
    """A later line about the same packet does not make it undelivered."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED), Note(1, A, Fate.FAILED)])
        assert ledger.fate(1, A) is Fate.DELIVERED


def test_ids_of_the_old_tools_are_believed_and_kept(tmp_path: Path) -> None:
    """ids.ok is read, wrong lines are named, and it is only ever appended to."""
    (tmp_path / IDS_FILE).write_bytes(b"5\n\n 6 \r\nsix\n-7\n5\n")
    with ledger_of(tmp_path) as ledger:
        assert ledger.fate(5, A) is ledger.fate(6, B) is Fate.DELIVERED
        assert ledger.by_id_only(5, A)
        assert [f"{IDS_FILE}:4: not an id" in ledger.remarks[0], f"{IDS_FILE}:5:" in ledger.remarks[1]] == [True, True]
        ledger.note([Note(8, A, Fate.DELIVERED)])
    assert (tmp_path / IDS_FILE).read_bytes() == b"5\n\n 6 \r\nsix\n-7\n5\n8\n"


def test_half_a_line_of_the_ledger_is_removed(tmp_path: Path) -> None:
    """A crash in the middle of a write: what stands before it holds."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED), Note(2, A, Fate.SENDING)])
    whole = (tmp_path / FILE).read_bytes()
    for cut in range(len(whole) - 1, whole.index(b"\n"), -1):
        (tmp_path / FILE).write_bytes(whole[:cut])
        with ledger_of(tmp_path) as ledger:
            assert ledger.fate(1, A) is Fate.DELIVERED
            assert ledger.fate(2, A) is None
            assert ("unfinished" in "".join(ledger.remarks)) == (whole[:cut][-1:] != b"\n")
            ledger.note([Note(3, A, Fate.SENDING)])
        assert [json.loads(line)["id"] for line in (tmp_path / FILE).read_text().splitlines()] == [1, 3]


def test_ids_ok_is_brought_up_to_the_ledger(tmp_path: Path) -> None:
    """A crash between the two files, or in the middle of the second: the id is there after the next start."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(number, A, Fate.DELIVERED) for number in (100, 200, 300)])
    for torn in ("", "100\n", "100\n2", "100\n20", "100\n200"):
        (tmp_path / IDS_FILE).write_text(torn)
        ledger = opened(tmp_path)
        assert ledger.fate(2, B) is None, "no part of an id is an id"
        ledger.close()
        assert sorted((tmp_path / IDS_FILE).read_text().split("\n")) == ["", "100", "200", "300"]


def test_a_line_without_newline_from_an_editor_counts(tmp_path: Path) -> None:
    """keeper did not write it: it is taken as it stands, and gets its newline, so that nothing is glued to it."""
    (tmp_path / IDS_FILE).write_text("5\n77")
    with ledger_of(tmp_path) as ledger:
        assert "had no newline" in ledger.remarks[0]
        assert ledger.fate(77, A) is Fate.DELIVERED
        ledger.note([Note(9, A, Fate.DELIVERED)])
    assert (tmp_path / IDS_FILE).read_text() == "5\n77\n9\n"


def test_a_wrong_line_inside_the_ledger_is_named_and_left_aside(tmp_path: Path) -> None:
    """A hole of zeros after a power cut does not take the rest with it."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED)])
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"\0\0\0\n[1]\n" + b'{"did": "dancing", "id": 5, "content": "x"}\n')
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(2, A, Fate.DELIVERED)])
        assert [remark.split(":")[1] for remark in ledger.remarks] == ["2", "3", "4"]
    with ledger_of(tmp_path) as ledger:
        assert (ledger.fate(1, A), ledger.fate(2, A)) == (Fate.DELIVERED, Fate.DELIVERED)


def test_one_keeper_at_a_time(tmp_path: Path) -> None:
    """A second one that sends from the same folder is refused; one that only looks is not."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED)])
        with pytest.raises(StateError, match="in use by another keeper"):
            opened(tmp_path)
        looking = Ledger.open(tmp_path, str, how=Unchanged)
        assert looking.fate(1, A) is Fate.DELIVERED
        looking.close()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """A torn end is understood and left where it is; no file appears."""
    looking = Ledger.open(tmp_path, str, how=Unchanged)
    looking.note([Note(1, A, Fate.DELIVERED)])
    looking.close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE).write_text('{"did": "delivered", "id": 1, "content": "a"}\n{"did"')
    (tmp_path / IDS_FILE).write_text("7")
    looking = Ledger.open(tmp_path, str, how=Unchanged)
    assert (looking.fate(1, "a"), looking.fate(7, "x")) == (Fate.DELIVERED, Fate.DELIVERED)
    looking.close()
    assert (tmp_path / FILE).read_text().endswith('{"did"')
    assert (tmp_path / IDS_FILE).read_text() == "7"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """What could not be written is not in the file, and a later write begins on a line of its own."""
    with ledger_of(tmp_path) as ledger:
        ledger.note([Note(1, A, Fate.DELIVERED)])
        size = (tmp_path / FILE).stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, before[1]))  # a file that cannot grow: as a full disk
        try:
            with pytest.raises(StateError, match="cannot be written"):
                ledger.note([Note(2, A, Fate.DELIVERED)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert (tmp_path / FILE).stat().st_size == size
        assert ledger.fate(2, A) is None
        ledger.note([Note(3, A, Fate.DELIVERED)])
    with ledger_of(tmp_path) as ledger:
        assert ledger.remarks == []
        assert ledger.fate(3, A) is Fate.DELIVERED


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """No ledger, no sending."""
    with pytest.raises(StateError, match="cannot be opened"):
        Appended.open(tmp_path / "nowhere" / FILE)


def test_a_list_of_ids_names_its_wrong_lines() -> None:
    """One id a line and nothing else; numbers no agent has are no ids."""
    told = read_ids([b"1", b"", b"2 3", b"0x5", b"9" * 30, b"4\r"], "x")
    assert list(told.ids) == [1, 4]
    assert [sentence.split(":")[1] for sentence in told.wrong] == ["3", "4", "5"]


OLD_LOG = b"""\
[2015-01-24 03:00:00,100 INFO] Sending [1:1] packet 861 type LoginUsers: [LoginInfo(auid=1)]
[2015-01-24 03:00:00,200 INFO] onResendThriftHttpResponse: key='LoginUsers', packet_id=100000861, \
response=HTTPResponse(code=200,request_time=0.03,buffer=<_io.BytesIO object at 0x7f>,error=None)
[2015-01-24 03:00:01,000 INFO] onResendThriftHttpResponse: key='LoginUsers', packet_id=100000862, \
response=HTTPResponse(code=599,request_time=20.0,error=HTTPError('HTTP 599: Timeout',))
[2015-01-24 03:00:01,500 INFO] onResendThriftHttpResponse: key=u'LoginUsers', packet_id=100000863, \
response=HTTPResponse(_body=None,_error_is_response_code=False,headers={'X': 'a(code=200,b'},code=500,error=None)
[2015-01-24 03:00:01,600 INFO] onResendThriftHttpResponse: key='LoginUsers', packet_id=100000864, \
response=HTTPResponse(_body='(code=500,',_error_is_response_code=False,buffer=<x>,code=200,request_time=1)
[2015-01-24 03:00:02,000 INFO] onResendThriftHttpResponse: key='LoginUsers', packet_id=100000865, response=None
[2015-01-24 03:00:02,000 INFO] onSendThriftHttpResponse: key='LoginUsers', packet_id=866, \
response=HTTPResponse(code=200)
[2015-01-24 03:00:02,000 INFO] onResendThriftHttpResponse: key='LoginUsers', packet_id=867, \
response=HTTPResponse(code=200)
[2015-01-24 03:00:02,100 INFO] Packet 868 is already sent
[2015-01-24 03:00:02,200 INFO] onResendThriftHttpResponse: key='Log"""


def test_a_resend_log_tells_what_was_delivered() -> None:
    """Answers with 200 by their shifted ids, whatever the order of fields; not the live agent's, nor codes in texts."""
    found = list(confirmed(OLD_LOG.split(b"\n"), 100_000_000))
    assert found == [Confirmed(861, None), Confirmed(864, None)]


def test_ledger_commands_walk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """import, rebuild, export and show, with the files of the old tools."""
    folder = tmp_path / "collected"
    folder.mkdir()
    (tmp_path / "more.ok").write_text("5\n6\nx\n")
    (tmp_path / "resend.log").write_bytes(OLD_LOG)
    assert main(["ledger", "import", str(folder), str(tmp_path / "more.ok")]) == 0
    told = capsys.readouterr()
    assert "2 ids, 2 of them new, 1 wrong" in told.out
    assert "more.ok:3: not an id" in told.err
    assert main(["ledger", "rebuild", str(folder), str(tmp_path / "resend.log")]) == 0
    assert "2 packets were answered with 200, 2 of them news" in capsys.readouterr().out
    assert main(["ledger", "rebuild", str(folder), str(tmp_path / "resend.log")]) == 0
    assert "0 of them news" in capsys.readouterr().out
    assert main(["ledger", "export", str(folder)]) == 0
    assert capsys.readouterr().out == "5\n6\n861\n864\n"
    assert (folder / IDS_FILE).read_text() == "5\n6\n861\n864\n"
    output = tmp_path / "ids.out"
    assert main(["ledger", "export", str(folder), "-o", str(output)]) == 0
    assert main(["ledger", "export", str(folder), "-o", str(output)]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    assert output.read_text() == "5\n6\n861\n864\n"
    assert main(["ledger", "show", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["counts"]["by id only"], shown["delivered_ids"]) == (4, 4)
    assert main(["ledger", "show", str(folder), "--last", "1"]) == 0
    assert "imported  864  resend.log" in capsys.readouterr().out


def test_ledger_commands_say_what_they_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is none, no files, a file that is missing."""
    assert main(["ledger", "show", str(tmp_path / "none")]) == 1
    assert main(["ledger", "import", str(tmp_path)]) == 1
    assert main(["ledger", "rebuild", str(tmp_path), str(tmp_path / "none.log")]) == 1
    told = capsys.readouterr().err
    assert "is not a folder" in told
    assert "which files?" in told
    assert "cannot read" in told
