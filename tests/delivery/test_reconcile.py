"""`keeper reconcile`: what the receiver says is believed, what it does not say stays unknown, nothing is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from keeper.cli import main
from keeper.delivery.ledger import CONFIRMED, FILE, IDS_FILE, Fate, Ledger, Note
from keeper.delivery.missing import FILE as MISSING
from keeper.delivery.packet import Packet, Place, packets
from keeper.delivery.plan import Item
from keeper.delivery.reconcile import NOBODY, Asked, Finding, judge
from keeper.receiver.confirm import Name
from keeper.receiver.inputs.input import Input
from keeper.receiver.inputs.json_packets import JsonInput
from keeper.receiver.inputs.thrift import thrift_input
from tests.delivery.collection import Made, write
from tests.delivery.statistics_server import IDL
from tests.notifiers.receiver import Answer, Receiver
from tests.receiver.desk import Desk

A, B = bytes(16), bytes([1] * 16)
CHAT = "[ChatMessageInfo(auid={}L, timestamp=1, channel='a', message='b')]"


def chat(number: int, says: int | None = None) -> Made:
    return Made(number, "ChatMessages", CHAT.format(number if says is None else says), [])


class Done(NamedTuple):
    code: int
    told: dict[str, Any]
    err: str


Reconcile = Callable[..., Done]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    inputs: dict[str, Input] = {"application/x-thrift": thrift_input(IDL), "application/json": JsonInput()}
    with Desk(tmp_path / "store.db", inputs) as desk:
        desk.take(b'{"Any":[{"a":1}]}', {"Content-Type": "application/json"})  # the store is there, and not empty
        yield desk


@pytest.fixture
def reconcile(tmp_path: Path, desk: Desk, capsys: pytest.CaptureFixture[str]) -> Reconcile:
    """Run `keeper reconcile --json` on the folder `tmp_path` with a configuration of these options."""

    def run(*arguments: str, what: Path | None = tmp_path, **options: object) -> Done:
        config = tmp_path / "config.ini"
        given = {"url": desk.url, "confirm": desk.url, "idl": IDL, **options}
        lines = [f"{name.replace('__', '.')} = {value}" for name, value in given.items()]
        config.write_text("[agent:stats]\n" + "\n".join(lines) + "\n")
        where = [] if what is None else [str(what), "--work", str(tmp_path)]
        capsys.readouterr()
        code = main(["reconcile", *where, "-c", str(config), "--json", *arguments])
        said = capsys.readouterr()
        told = json.loads(said.out)["reconciled"] if said.out else {}
        if told:
            assert told["adds_up"], told
        return Done(code, told, said.err)

    return run


def resend(tmp_path: Path, *arguments: str, what: Path | None = None) -> int:
    where = [str(what or tmp_path), "-c", str(tmp_path / "config.ini")]
    return main(["resend", *where, *(() if "--work" in arguments else ("--work", str(tmp_path))), *arguments])


def store(desk: Desk, tmp_path: Path, made: list[Made]) -> None:
    """Have the receiver get packets as `keeper resend` sends them, from a folder that nobody looks at."""
    aside = tmp_path / "aside"
    aside.mkdir(exist_ok=True)
    write(aside / "collected-unsent", made)
    assert main(["resend", str(aside), "--agent", "stats", "--url", desk.url, "--idl", str(IDL)]) == 0
    for file in aside.iterdir():
        file.unlink()


def ledger_of(folder: Path, *notes: Note) -> Ledger:
    ledger = Ledger.open(folder, lambda: "2026-11-20T00:00:00.000Z")
    ledger.note(notes)
    return ledger


@contextmanager
def ledgered(folder: Path, *notes: Note) -> Iterator[Ledger]:
    ledger = ledger_of(folder, *notes)
    yield ledger
    ledger.close()


def content(made: Made) -> str:
    return Packet(made.id, made.key, None, made.data.encode(), None, None, Place("", 0)).name[1]


# -- judging -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fate", "by_number", "there", "finding"),
    [
        (None, False, True, Finding.FOUND),
        (Fate.SENDING, False, True, Finding.FOUND),
        (Fate.UNKNOWN, False, True, Finding.FOUND),
        (Fate.REFUSED, False, True, Finding.FOUND),
        (Fate.LOST, False, True, Finding.FOUND),
        (Fate.DELIVERED, False, True, Finding.PROVEN),
        (Fate.DELIVERED, True, True, Finding.FOUND),
        (None, False, False, Finding.LOST),
        (Fate.SENDING, False, False, Finding.LOST),
        (Fate.UNKNOWN, False, False, Finding.LOST),
        (Fate.FAILED, False, False, Finding.LOST),
        (Fate.LOST, False, False, Finding.LOST),
        (Fate.REFUSED, False, False, Finding.REFUSED),
        (Fate.DELIVERED, False, False, Finding.MISSING),
        (Fate.DELIVERED, True, False, Finding.MISSING),
        (None, False, None, Finding.UNKNOWN),
        (Fate.DELIVERED, False, None, Finding.UNKNOWN),
    ],
)
def test_a_packet_is_what_the_receiver_says(
    fate: Fate | None, by_number: bool, there: bool | None, finding: Finding
) -> None:
    """By what the ledger says and what the receiver has."""
    asked = Asked(Item(1, 5, "c", "T", 1, Place("", 0), 9), ((5, A),), fate, by_number)
    assert judge(asked, {(5, A): there}, set()).finding is finding
    if there is None:
        assert judge(asked, {}, set()).finding is Finding.UNKNOWN


@pytest.mark.parametrize(
    ("first", "second", "finding"),
    [
        (True, False, Finding.FOUND),
        (False, True, Finding.FOUND),
        (None, True, Finding.FOUND),
        (False, False, Finding.LOST),
        (False, None, Finding.UNKNOWN),
    ],
)
def test_one_of_several_forms_is_enough(first: bool | None, second: bool | None, finding: Finding) -> None:
    """As the agent sent it, or as keeper would: only when neither is there it is lost."""
    asked = Asked(Item(1, 5, "c", "T", 1, Place("", 0), 9), ((5, A), (5, B)), None, False)
    assert judge(asked, {(5, A): first, (5, B): second}, set()).finding is finding


@pytest.mark.parametrize(
    ("nameless", "finding"), [(False, Finding.FOUND), (True, Finding.UNKNOWN), (None, Finding.UNKNOWN)]
)
def test_what_is_there_without_an_id_is_not_every_packet_that_looks_like_it(
    nameless: bool | None, finding: Finding
) -> None:
    """Several packets are the same but for their ids, and one without id is there: nobody knows which it was."""
    asked = Asked(Item(1, 5, "c", "T", 1, Place("", 0), 9), ((5, A),), Fate.UNKNOWN, False)
    answers: dict[Name, bool | None] = {(5, A): True, (NOBODY, A): nameless}
    assert judge(asked, answers, {A}).finding is finding
    assert judge(asked, answers, set()).finding is Finding.FOUND
    assert judge(asked._replace(fate=Fate.DELIVERED), answers, {A}).finding is Finding.PROVEN


# -- the ledger ----------------------------------------------------------------------------------------------------


def test_a_lost_packet_stays_lost_until_a_sending_is_in_doubt(tmp_path: Path) -> None:
    """That a server was away does not make it possible again that the receiver has it; an answer that is missing does.
    Read again, the ledger says the same."""
    lines = [
        ([Fate.LOST], Fate.LOST),
        ([Fate.LOST, Fate.SENDING], Fate.SENDING),
        ([Fate.LOST, Fate.SENDING, Fate.FAILED], Fate.LOST),
        ([Fate.LOST, Fate.SENDING, Fate.FAILED, Fate.SENDING, Fate.FAILED], Fate.LOST),
        ([Fate.LOST, Fate.SENDING, Fate.SENDING, Fate.FAILED], Fate.FAILED),
        ([Fate.LOST, Fate.SENDING, Fate.UNKNOWN], Fate.UNKNOWN),
        ([Fate.LOST, Fate.SENDING, Fate.UNKNOWN, Fate.FAILED], Fate.FAILED),
        ([Fate.LOST, Fate.SENDING, Fate.REFUSED], Fate.REFUSED),
        ([Fate.LOST, Fate.SENDING, Fate.DELIVERED], Fate.DELIVERED),
        ([Fate.DELIVERED, Fate.LOST], Fate.DELIVERED),
        ([Fate.UNKNOWN, Fate.LOST], Fate.LOST),
    ]
    ledger = ledger_of(tmp_path, *(Note(n, "c", fate) for n, (fates, _) in enumerate(lines) for fate in fates))
    for _ in range(2):
        assert [ledger.fate(number, "c") for number in range(len(lines))] == [last for _, last in lines]
        ledger.close()
        ledger = ledger_of(tmp_path)
    ledger.close()


# -- the command ---------------------------------------------------------------------------------------------------


def test_what_is_there_is_delivered_and_what_is_not_is_lost(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """Both are noted, so that a resend with `hold` sends the lost one and no other; then all are proven."""
    store(desk, tmp_path, [chat(1), chat(2)])
    write(tmp_path / "collected-unsent", [chat(1), chat(2), chat(3), chat(3)])
    dry = reconcile("--dry-run", unknown_outcome="hold")
    assert (dry.code, dry.told["delivered_as_is_known_now"], dry.told["lost"]) == (3, 2, 1)
    assert not (tmp_path / FILE).exists()
    done = reconcile(unknown_outcome="hold")
    assert (done.code, done.told) == (3, dry.told)
    assert done.told["repeated"] == 1
    assert (tmp_path / IDS_FILE).read_text() == "1\n2\n"
    before = len(desk.rows())
    assert resend(tmp_path) == 0
    assert len(desk.rows()) == before + 1
    done = reconcile()
    assert (done.code, done.told["delivered"], done.err) == (0, 3, "")
    assert done.told["source"] == "stats"


def test_without_the_receiver_nothing_is_known_and_nothing_written(
    tmp_path: Path, desk: Desk, reconcile: Reconcile
) -> None:
    """It is away, it is not keeper's, the credentials are wrong: said, in one sentence."""
    write(tmp_path / "collected-unsent", [chat(1)])
    desk.status = 401
    done = reconcile()
    assert (done.code, done.told) == (1, {})
    assert f'the receiver at {desk.url} answered 401: {{"error": "not now"}}' in done.err
    with Receiver(lambda _: Answer(200, b"<html>")) as other:
        assert "does not answer as keeper's receiver does" in reconcile("--confirm", other.url).err
    with Receiver(lambda _: Answer(200, b'{"source":"stats","complete":true,"confirmed":[]}')) as other:
        assert "does not answer as keeper's receiver does" in reconcile("--confirm", other.url).err
    assert "has no confirm" in reconcile(confirm="").err
    assert [line for line in (tmp_path / FILE).read_text().splitlines() if '"opened"' not in line] == []


def test_a_busy_receiver_is_asked_again(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """503 once; then it answers."""
    store(desk, tmp_path, [chat(1)])
    write(tmp_path / "collected-unsent", [chat(1)])
    tries = []

    def script(request: Any) -> Answer:
        tries.append(request)
        return Answer(503) if len(tries) == 1 else Answer(*desk.answer(request.path, request.body))

    with Receiver(script) as between:
        done = reconcile("--confirm", between.url)
    assert (done.code, len(tries)) == (0, 2)


def test_a_question_that_is_too_large_is_asked_in_halves(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """The receiver takes small bodies only."""
    store(desk, tmp_path, [chat(number) for number in range(0, 30, 2)])
    write(tmp_path / "collected-unsent", [chat(number) for number in range(30)])
    sizes = []

    def script(request: Any) -> Answer:
        sizes.append(len(request.body))
        return Answer(413) if sizes[-1] > 500 else Answer(*desk.answer(request.path, request.body))

    with Receiver(script) as between:
        done = reconcile("--confirm", between.url)
    assert (done.told["delivered_as_is_known_now"], done.told["lost"]) == (15, 15)
    assert min(sizes) < 500 < max(sizes)


def test_what_may_still_be_on_its_way_is_not_lost(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """The receiver has not stored all it accepted: what is there is there, of the rest nothing is known or noted."""
    store(desk, tmp_path, [chat(1)])
    write(tmp_path / "collected-unsent", [chat(1), chat(2)])
    desk.complete = False
    done = reconcile()
    assert (done.code, done.told["delivered_as_is_known_now"], done.told["unknown"]) == (4, 1, 1)
    assert list(done.told["unknown_by_reason"]) == ["the receiver has accepted more than it has stored; ask again"]
    assert '"lost"' not in (tmp_path / FILE).read_text()


def test_what_was_acknowledged_and_is_not_there_is_said_and_can_be_sent(
    tmp_path: Path, desk: Desk, reconcile: Reconcile, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger takes nothing back; the packets stand in a file that is sent with a ledger of its own, and the file
    goes when they are there."""
    write(tmp_path / "collected-unsent", [chat(1), chat(2), chat(3)])
    with ledgered(tmp_path, Note(2, content(chat(2)), Fate.DELIVERED)):
        (tmp_path / IDS_FILE).write_text("2\n3\n")
    done = reconcile()
    assert (done.code, done.told["acknowledged_but_missing"], done.told["missing_ids"]) == (3, 2, [2, 3])
    missing = [one.id for one in packets(tmp_path / MISSING) if isinstance(one, Packet)]
    assert missing == [2, 3]
    assert resend(tmp_path, "--work", str(tmp_path / "again"), what=tmp_path / MISSING) == 0
    done = reconcile()
    assert (done.code, done.told["delivered"], done.told["delivered_as_is_known_now"]) == (3, 1, 1)
    assert done.told["lost"] == 1
    assert not (tmp_path / MISSING).exists()
    config = str(tmp_path / "config.ini")
    assert main(["reconcile", str(tmp_path), "-c", config, "--work", str(tmp_path)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert f"next: keeper resend {tmp_path} -c {config}" in lines[-2]
    assert lines[-1].endswith("= 3 collected")


def test_the_ledger_is_checked_beyond_the_collection(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """Of packets whose text is gone the ids are asked for; but not of those that may have come without an id."""
    store(desk, tmp_path, [chat(1), chat(2)])
    write(tmp_path / "collected-unsent", [chat(1)])
    sent = [Note(number, content(chat(number)), Fate.DELIVERED) for number in (1, 2, 7, 8)]
    with ledgered(tmp_path, *sent, Note(9, content(chat(9)), Fate.DELIVERED, CONFIRMED)):
        pass
    done = reconcile()
    assert (done.code, done.told["delivered"], done.told["lost"]) == (3, 1, 0)
    assert (done.told["ledger_ids"], done.told["ledger_ids_missing"]) == (3, "7-8")
    desk.complete = False
    assert "more than it has stored" in reconcile().told["ledger_ids_unknown"]


def test_a_field_that_was_added_makes_no_second_packet(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """An older agent sent its packet without a field that a resend fills in: it is there all the same, and so is
    one that was sent again."""
    row = "TalentChangeInfo(auid=7L, talent=TalentInfo(classId=5, instanceId={}L), operation=2, timestamp=1, data='')"
    options = {"default__TalentInfo.boundHeroClassId": -1, "wire": "json", "idl": ""}
    talent = {"classId": 5, "instanceId": 1}
    live = {"TalentChange": [{"auid": 7, "talent": talent, "operation": 2, "timestamp": 1, "data": ""}]}
    resent = json.loads(json.dumps(live))
    resent["TalentChange"][0]["talent"] |= {"instanceId": 2, "boundHeroClassId": -1}
    for body in (live, resent):
        desk.take(json.dumps(body).encode(), {"Content-Type": "application/json"})
    write(tmp_path / "collected-unsent", [Made(n, "TalentChange", f"[{row.format(n)}]", []) for n in (1, 2, 3)])
    done = reconcile(**options)
    assert (done.told["delivered_as_is_known_now"], done.told["lost"]) == (2, 1)


def test_packets_that_cannot_be_asked_for_are_counted(tmp_path: Path, reconcile: Reconcile) -> None:
    """Types that are never sent, lines that are none, values that fit no wire: nothing is known of them."""
    packets = [Made(1, "ClientPing", "[Ping(a=1)]", []), Made(2, "Nope", "[Nope(a=1)]", [])]
    packets += [Made(3, "ChatMessages", "[ChatMessageInfo(auid='x')]", []), Made(4, "ChatMessages", "[]", [])]
    write(tmp_path / "collected-unsent", packets)
    with (tmp_path / "collected-unsent").open("a") as file:
        file.write("no packet\n")
    done = reconcile(skip="ClientPing")
    assert (done.code, done.told["unfit"], done.told["skipped"], done.told["wrong_lines"]) == (4, 2, 2, 1)


def test_credentials_and_the_name_of_the_source_are_used(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """A token, or user and password of the address, which are shown nowhere."""
    write(tmp_path / "collected-unsent", [chat(1)])
    with ledgered(tmp_path, Note(9, "c" * 32, Fate.DELIVERED)):
        pass
    reconcile(token="secret", confirm_source="stats")
    reconcile(token="secret", confirm=desk.url.replace("//", "//user:p%40ss@"))
    said = [headers["Authorization"] for _, _, headers in desk.asked]
    assert said == ["Bearer secret"] * 2 + ["Basic dXNlcjpwQHNz"] * 2
    assert [("source=stats" in path, b'"source"' in body) for path, body, _ in desk.asked] == [
        (True, True), (True, False), (False, False), (False, False),
    ]  # fmt: skip


def test_the_token_is_sent_with_packets_too(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """The same credentials for both."""
    write(tmp_path / "collected-unsent", [chat(1)])
    reconcile("--dry-run", token="secret")
    with Receiver() as server:
        assert resend(tmp_path, "--url", server.url) == 0
        [request] = server.received()
    assert request.headers["Authorization"] == "Bearer secret"


def test_a_resend_may_ask_first(tmp_path: Path, desk: Desk, reconcile: Reconcile) -> None:
    """With `ask` what the receiver has is not sent, what it has not got is; what it does not tell waits. Without a
    receiver to ask it says so."""
    store(desk, tmp_path, [chat(1)])
    before = len(desk.rows())
    write(tmp_path / "collected-unsent", [chat(1), chat(2)])
    reconcile("--dry-run", unknown_outcome="ask")
    desk.complete = False
    assert resend(tmp_path) == 3
    assert len(desk.rows()) == before
    desk.complete = True
    write(tmp_path / "collected-unsent", [chat(1), chat(2), chat(3)])
    assert resend(tmp_path) == 0
    assert sorted(id for id, _ in desk.rows()[before:] if id) == [2, 3]
    assert resend(tmp_path) == 0
    assert len(desk.rows()) == before + 2
    to = ["--agent", "stats", "--url", desk.url, "--idl", str(IDL), "--unknown", "ask"]
    assert main(["resend", str(tmp_path), *to]) == 1
