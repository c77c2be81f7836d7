"""One run of sending again, against real servers: what it sends, what it does not, and when it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from keeper.actions.resend import GONE, Resend, settle
from keeper.delivery.ledger import Fate, Ledger
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Parcel
from keeper.errors import InUse
from keeper.runtime.clock import Clock
from keeper.settings import AgentSettings
from tests.actions.owed import Heard, Owed, fates, owed, said, settings, write_ledger
from tests.delivery.statistics_server import StatisticsServer, identity
from tests.notifiers.receiver import Answer, Request
from tests.peers import free_port

A, B, C, D, E = (owed(number) for number in range(1, 6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "agents" / "stats"


class Texts(dict[int, bytes]):
    """Those of some parcels, by number."""

    def __init__(self, those: Sequence[Owed]) -> None:
        super().__init__({one.parcel.number: one.text for one in those})


def parcels(those: Sequence[Owed]) -> list[Parcel]:
    return [one.parcel for one in those]


def run(
    agent: AgentSettings, folder: Path, *those: Owed, texts: Callable[[int], bytes | None] | None = None
) -> tuple[str, Heard]:
    """Send them; why it is not through, and what was told."""
    heard = Heard()
    resend = Resend(agent, folder, parcels(those), texts or Texts(those).get, Clock().now, said, heard)
    return resend.run(), heard


def test_each_arrives_once_and_is_written_down(folder: Path) -> None:
    """In order, with the agent's name in its key; a second run over the same sends nothing."""
    with StatisticsServer() as server:
        agent = settings(server.url, in_flight=1)
        why, heard = run(agent, folder, A, B, C)
        assert why == ""
        assert [report.number for report in heard.reports] == [1, 2, 3]
        assert heard.results() == dict.fromkeys((1, 2, 3), (Result.ACCEPTED, True))
        again, told = run(agent, folder, A, B, C)
        assert again == ""
        assert told.results() == dict.fromkeys((1, 2, 3), (Result.ACCEPTED, False))
        assert [identity(one) for one in server.received()] == [A.name, B.name, C.name]
        assert {one.headers["Idempotency-Key"].split("/")[0] for one in server.received()} == {'"stats'}
    assert fates(folder, A, B, C) == [Fate.DELIVERED] * 3
    assert (folder / "ids.ok").read_text() == "1001\n1002\n1003\n"
    assert (folder / "resend.log").read_text().count("code=200") == 3


@pytest.mark.parametrize("repeat", ["resend", "hold"])
@pytest.mark.parametrize(
    ("fate", "sent", "told"),
    [
        (None, True, (Result.ACCEPTED, True)),
        (Fate.DELIVERED, False, (Result.ACCEPTED, False)),
        (Fate.REFUSED, False, (Result.REFUSED, False)),
        (Fate.FAILED, True, (Result.ACCEPTED, True)),
        (Fate.SENDING, None, (Result.UNKNOWN, False)),
        (Fate.UNKNOWN, None, (Result.UNKNOWN, False)),
    ],
)
def test_the_ledger_is_asked_first(
    folder: Path, repeat: str, fate: Fate | None, sent: bool | None, told: tuple[Result, bool]
) -> None:
    """What somebody delivered, or what will never be taken, stays; what may have arrived goes only where it may be
    repeated."""
    write_ledger(folder, *([(A, fate)] if fate else []))
    with StatisticsServer() as server:
        why, heard = run(settings(server.url, unknown_outcome=repeat), folder, A)
        goes = (repeat == "resend") if sent is None else sent
        assert server.times() == ({A.name: 1} if goes else {})
    assert why == ""
    assert heard.results() == {1: (Result.ACCEPTED, True) if goes else told}


@pytest.mark.parametrize("outcome", ["unknown", "unanswered"])
def test_what_the_server_may_have_is_held_where_it_must_not_come_twice(folder: Path, outcome: str) -> None:
    """Also when it was due by mistake."""
    risky = owed(1, outcome=outcome)  # type: ignore[arg-type]
    with StatisticsServer() as server:
        why, heard = run(settings(server.url, unknown_outcome="hold"), folder, risky, B)
        assert server.times() == {B.name: 1}
    assert why == ""
    assert heard.results() == {1: (Result.UNKNOWN, False), 2: (Result.ACCEPTED, True)}
    assert "the server may have it" in heard.reports[0].detail


def test_another_packet_with_the_id_of_a_delivered_one_is_sent(folder: Path) -> None:
    """The agent uses its ids again after a restart; and a bare id in ids.ok names no packet."""
    write_ledger(folder, (A, Fate.DELIVERED))
    ledger = Ledger.open(folder, said)
    ledger.add_ids([7], "by hand")
    ledger.close()
    twin, bare = owed(2, id=A.parcel.id), owed(3, id=7)
    with StatisticsServer() as server:
        assert run(settings(server.url), folder, twin, bare)[0] == ""
        assert server.times() == {twin.name: 1, bare.name: 1}


def test_what_cannot_be_put_on_the_wire_is_set_aside_with_its_reason(folder: Path) -> None:
    """Once, in a file that can be sent when the IDL is mended; the others go."""
    strange = owed(1, key="Nonsense")
    broken = owed(2, text="[ChatMessageInfo(auid='text')]")
    with StatisticsServer() as server:
        for _ in range(2):
            why, heard = run(settings(server.url), folder, strange, broken, C)
            assert why == ""
            assert [heard.results()[number] for number in (1, 2)] == [(Result.REFUSED, False)] * 2
        assert server.times() == {C.name: 1}
    rejected = (folder / "collected-rejected").read_bytes().splitlines()
    assert [line[:1] == b"#" for line in rejected] == [True, False, True, False]
    assert rejected[1::2] == [b"1001: Nonsense: " + strange.text, b"1002: ChatMessages: " + broken.text]


def test_what_the_server_refuses_is_set_aside_too(folder: Path) -> None:
    """And is not sent again."""
    with StatisticsServer(badly({A.parcel.id}, Answer(400, b"no such user"))) as server:
        why, heard = run(settings(server.url), folder, A, B)
        assert why == ""
        assert heard.results() == {1: (Result.REFUSED, True), 2: (Result.ACCEPTED, True)}
        assert run(settings(server.url), folder, A)[1].results() == {1: (Result.REFUSED, False)}
        assert server.times() == {A.name: 1, B.name: 1}
    assert b"# answered 400: no such user\n1001: " in (folder / "collected-rejected").read_bytes()
    assert fates(folder, A, B) == [Fate.REFUSED, Fate.DELIVERED]


def badly(ids: set[int], bad: Answer) -> Callable[[Request], Answer]:
    return lambda request: bad if identity(request)[0] in ids else Answer()


@pytest.mark.parametrize(
    ("answer", "result", "fate", "why"),
    [
        (Answer(503), Result.BUSY, Fate.FAILED, "answered 503"),
        (Answer(429), Result.BUSY, Fate.FAILED, "answered 429"),
        (Answer(404), Result.ASTRAY, Fate.FAILED, "answered 404"),
        (Answer(504), Result.UNKNOWN, Fate.UNKNOWN, "answered 504, which leaves open whether it was taken"),
        (Answer(manner="hang"), Result.UNKNOWN, Fate.UNKNOWN, "no answer within 1 s"),
        (Answer(manner="close"), Result.UNKNOWN, Fate.UNKNOWN, "closed the connection without an answer"),
    ],
)
def test_it_stops_at_the_first_sign_that_the_server_suffers(
    folder: Path, answer: Answer, result: Result, fate: Fate, why: str
) -> None:
    """One packet is enough: nothing more is sent, and that one is told."""
    with StatisticsServer(lambda _: answer) as server:
        ended, heard = run(settings(server.url, request_timeout="1s"), folder, A, B, C)
        assert server.times() == {A.name: 1}
    assert ended == f"a packet sent again was not taken: {why}"
    assert heard.results() == {1: (result, True)}
    assert fates(folder, A, B) == [fate, None]


def test_one_failure_may_be_the_packets_own_but_two_in_a_row_are_the_servers(folder: Path) -> None:
    """A packet on which the server fails does not stop the others, and the run is not called through; a server that
    fails is left alone."""
    bad = Answer(500)
    with StatisticsServer(badly({A.parcel.id, C.parcel.id}, bad)) as server:
        why, heard = run(settings(server.url), folder, A, B, C, D)
        assert server.times() == dict.fromkeys((A.name, B.name, C.name, D.name), 1)
    assert why == "a packet sent again was not taken: answered 500"
    assert [heard.results()[number][0].value for number in (1, 2, 3, 4)] == ["failed", "accepted", "failed", "accepted"]
    with StatisticsServer(badly({A.parcel.id, C.parcel.id}, bad)) as server:
        why, _ = run(settings(server.url), folder, A, C, E)
        assert server.times() == dict.fromkeys((A.name, C.name), 1)
    assert why == "a packet sent again was not taken: answered 500"


def test_a_server_that_is_away_is_left_alone(folder: Path) -> None:
    """Two refused connections; nothing can have arrived."""
    why, heard = run(settings(f"http://127.0.0.1:{free_port()}"), folder, A, B, C)
    assert why == "a packet sent again was not taken: connection refused"
    assert len(heard.reports) == 2
    assert {report.result for report in heard.reports} == {Result.FAILED}


def test_it_stops_when_it_is_told_and_what_is_in_flight_may_end(folder: Path) -> None:
    """From another thread, in the middle of an answer; what is not begun stays due."""
    heard = Heard()
    runs: list[Resend] = []

    def answer(_: Request) -> Answer:
        runs[0].stop("the log is away")
        runs[0].stop("another reason")
        return Answer()

    with StatisticsServer(answer) as server:
        runs.append(Resend(settings(server.url), folder, parcels([A, B]), Texts([A, B]).get, Clock().now, said, heard))
        assert runs[0].run() == "the log is away"
        assert server.times() == {A.name: 1}
    assert heard.results() == {1: (Result.ACCEPTED, True)}
    assert fates(folder, A, B) == [Fate.DELIVERED, None]


def test_told_before_it_begins_it_sends_nothing(folder: Path) -> None:
    """A reload may be quicker than the thread."""
    with StatisticsServer() as server:
        resend = Resend(settings(server.url), folder, parcels([A]), Texts([A]).get, Clock().now, said, Heard())
        resend.stop("keeper stops")
        assert resend.run() == "keeper stops"
        assert server.received() == []


def test_left_alone_it_ends_at_once_and_says_nothing_of_what_is_in_flight(folder: Path) -> None:
    """The ledger has it as under way: nobody knows what became of it."""
    heard = Heard()
    runs: list[Resend] = []

    def answer(_: Request) -> Answer:
        runs[0].stop("keeper stops")
        runs[0].leave()
        return Answer(manner="hang")

    with StatisticsServer(answer) as server:
        agent = settings(server.url, request_timeout="100s")
        runs.append(Resend(agent, folder, parcels([A, B]), Texts([A, B]).get, Clock().now, said, heard))
        thread = threading.Thread(target=runs[0].run, daemon=True)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert heard.reports == []
    assert fates(folder, A, B) == [Fate.SENDING, None]


def test_what_is_no_longer_kept_does_not_end_it(folder: Path) -> None:
    """A late answer settled one, another fell out to make room: before the run looked, or while it sent."""
    texts = Texts([B, C, D])

    def answer(_: Request) -> Answer:
        texts.pop(3, None)
        return Answer()

    with StatisticsServer(answer) as server:
        why, heard = run(settings(server.url, in_flight=1), folder, A, B, C, D, texts=texts.get)
        assert server.times() == {B.name: 1, D.name: 1}
    assert why == ""
    assert heard.results() == dict.fromkeys((2, 4), (Result.ACCEPTED, True))


def test_if_nothing_of_it_is_kept_that_is_no_success(folder: Path) -> None:
    """Else the next run would follow at once, for ever."""
    why, heard = run(settings("http://127.0.0.1:9"), folder, A, B, texts=lambda _: None)
    assert (why, heard.reports) == (GONE, [])


def _no_idl(agent: AgentSettings, _: Path) -> AgentSettings:
    return AgentSettings(name=agent.name, url=agent.url)


def _other_agent(agent: AgentSettings, folder: Path) -> AgentSettings:
    folder.mkdir(parents=True)
    ledger = Ledger.open(folder, said)
    ledger.bind("other", "somewhere")
    ledger.close()
    return agent


def _no_folder(agent: AgentSettings, folder: Path) -> AgentSettings:
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    return agent


def _full_log(agent: AgentSettings, folder: Path) -> AgentSettings:
    (folder / "resend.log").mkdir(parents=True)
    return agent


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_no_idl, "Thrift needs the site's IDL"),
        (_other_agent, "is the ledger of the agent 'other'"),
        (_no_folder, "cannot be made: File exists"),
        (_full_log, "cannot be written: Is a directory"),
    ],
)
def test_what_is_wrong_here_is_said_and_nothing_is_sent(
    folder: Path, spoil: Callable[[AgentSettings, Path], AgentSettings], why: str
) -> None:
    """An answer, for the page and the journal."""
    with StatisticsServer() as server:
        ended, heard = run(spoil(settings(server.url), folder), folder, A)
        assert server.received() == []
    assert why in ended
    assert heard.reports == []


def test_beside_a_resend_by_hand_it_does_nothing(folder: Path) -> None:
    """One ledger, one sender."""
    write_ledger(folder)
    by_hand = Ledger.open(folder, said)
    try:
        with StatisticsServer() as server:
            with pytest.raises(InUse, match="is in use by another keeper"):
                run(settings(server.url), folder, A)
            assert server.received() == []
    finally:
        by_hand.close()


def test_what_was_delivered_by_hand_is_settled(folder: Path) -> None:
    """From the ledger alone, while it is in use; a bare id is not enough, and nothing is made or written."""
    heard = Heard()
    settle(folder, parcels([A]), said, heard)
    assert not folder.exists()
    write_ledger(folder, (A, Fate.DELIVERED), (B, Fate.UNKNOWN), (C, Fate.REFUSED), (E, Fate.SENDING))
    by_hand = Ledger.open(folder, said)
    by_hand.add_ids([D.parcel.id], "a list")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    settle(folder, parcels([A, B, C, D, E]), said, heard)
    by_hand.close()
    assert heard.results() == {1: (Result.ACCEPTED, False)}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_classic_pacing_and_json_are_the_operators_choice(folder: Path) -> None:
    """The same run, as it is configured."""
    with StatisticsServer() as server:
        agent = settings(server.url, wire="json", pacing="classic", event_pause="1ms")
        assert run(agent, folder, A)[0] == ""
        [request] = server.received()
    assert request.headers["Content-Type"] == "application/json"
