"""An agent's delivery: what its log and the runs say goes in; what follows from it comes out once, and in time."""

from __future__ import annotations

from datetime import datetime

import pytest

from keeper.build import forms, pipeline, subjects
from keeper.config import parse
from keeper.core.batch import Chunk, SourceDown, SourceUp
from keeper.core.event import BacklogChanged, Event, PacketAnswered, PacketResent, PacketSent, PacketUnanswered
from keeper.delivery.arrears import Arrears, Terms
from keeper.delivery.delivery import Delivery
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Parcel, Report, Stand
from keeper.delivery.recovery import Around, Recovery, RecoveryTerms
from keeper.pipeline import Pipeline

TERMS = Terms(answer_within=60.0, tries=3)
NOW = 1_700_000_000.0
TEXT = b"[Chat(a=1), Chat(a=2)]"


def delivery(terms: Terms = TERMS) -> Delivery:
    made = Delivery(Arrears("stats", terms), Recovery(RecoveryTerms(packets=2, seconds=0.0)))
    made.around = Around()
    made.read([], b"", NOW)
    made.caught_up()
    return made


def sent(id: int, at: float = NOW, offset: int = 0) -> PacketSent:
    return PacketSent(at, id, "Chat", offset, len(TEXT), 2)


def answered(id: int, code: int | None = 500, at: float = NOW, why: str = "") -> PacketAnswered:
    return PacketAnswered(at, id, "Chat", code, 0.1, why)


def read(made: Delivery, *events: Event, seen: float = NOW, data: bytes = TEXT) -> None:
    made.read(events, data, seen)


def owing(*ids: int) -> Delivery:
    made = delivery()
    read(made, *(event for id in ids for event in (sent(id), answered(id))))
    made.derive(NOW, NOW)
    return made


def report(number: int, result: Result = Result.ACCEPTED, detail: str = "", *, sent: bool = True) -> Report:
    return Report(number, result, 200 if result is Result.ACCEPTED else 500, detail, 0.5, sent)


def test_the_text_is_what_stands_in_the_chunk() -> None:
    """From its offset, so long."""
    made = delivery()
    read(made, sent(1, offset=5), data=b"12345" + TEXT + b"678")
    [change] = made.changes()
    assert change.data == TEXT
    assert change.parcel is not None
    assert (change.parcel.size, change.parcel.events) == (len(TEXT), 2)


def test_the_backlog_is_told_at_once_when_counts_change_and_else_once_a_second() -> None:
    """A new due packet now; another reason, or another oldest, at most once a second; nothing twice."""
    made = delivery()
    assert made.derive(NOW, NOW) == [BacklogChanged(NOW, 0, 0, 0, 0, None, "nothing is owed")]
    assert made.derive(NOW + 5, NOW + 5) == []
    read(made, sent(1), answered(1))
    [told] = made.derive(NOW + 5.1, NOW + 5.1)
    failed = "the server took 0 of 2 live packets in a row since: the answer 500"
    assert told == BacklogChanged(NOW + 5.1, 1, 0, 0, 2, NOW, failed)
    read(made, sent(2), answered(2))
    [told] = made.derive(NOW + 5.2, NOW + 5.2)
    assert isinstance(told, BacklogChanged)
    assert (told.due, told.events) == (2, 4)
    made.arrears.hold(1, "a person must look")
    [told] = made.derive(NOW + 5.2, NOW + 5.2)
    assert told == BacklogChanged(NOW + 5.2, 1, 1, 0, 4, NOW, failed)
    made.around = Around(blind="the log is away")
    assert made.derive(NOW + 5.3, NOW + 5.3) == []
    assert made.derive(NOW + 6.1, NOW + 6.1) == []
    [told] = made.derive(NOW + 6.2, NOW + 6.2)
    assert isinstance(told, BacklogChanged)
    assert (told.due, told.why) == (1, "the log is away")


@pytest.mark.parametrize(
    ("running", "stands", "why"),
    [
        (True, [Stand.DUE], None),
        (False, [], "nothing is owed"),
        (False, [Stand.OPEN, Stand.REFUSED], "nothing is owed"),
        (False, [Stand.HELD], "what is left waits for a person: see `keeper undelivered`"),
        (False, [Stand.DUE, Stand.HELD], "the server took 0 of 2 live packets in a row"),
    ],
)
def test_why_nothing_is_being_sent(running: bool, stands: list[Stand], why: str | None) -> None:
    """One sentence for the page; None while it is, or may be."""
    kept = [
        Parcel(n, n, "c", "Chat", NOW, 1, 1, stand, None if stand is Stand.OPEN else "rejected", 500, tries=9)
        for n, stand in enumerate(stands, 1)
    ]
    made = Delivery(Arrears("stats", TERMS, kept), Recovery(RecoveryTerms(packets=2)))
    made.around = Around()
    made.running = running
    assert made.why_not(NOW) == why


def test_before_the_log_was_seen_nothing_begins() -> None:
    """A start is blindness until somebody says otherwise."""
    made = Delivery(Arrears("stats", TERMS), Recovery(RecoveryTerms(packets=1, seconds=0.0)))
    read(made, sent(1), answered(1), sent(2), answered(2, 200))
    assert made.why_not(NOW) == "the log has not been seen yet"


def test_what_was_sent_again_is_told_once_and_counts_against_the_budget() -> None:
    """With the packet's own name and type."""
    made = owing(7, 8)
    made.resent(report(1), NOW + 1)
    made.resent(report(2, Result.FAILED, "answered 500"), NOW + 2)
    events = made.derive(NOW + 3, NOW + 3)
    assert events[:-1] == [
        PacketResent(NOW + 1, 7, "Chat", 2, "accepted", 200, 0.5),
        PacketResent(NOW + 2, 8, "Chat", 2, "failed", 500, 0.5),
    ]
    assert isinstance(events[-1], BacklogChanged)
    assert [event for event in made.derive(NOW + 4, NOW + 4) if isinstance(event, PacketResent)] == []
    assert made.recovery.left(NOW + 3) == made.recovery.terms.budget - 2
    assert [(parcel.id, parcel.stand, parcel.tries) for parcel in made.arrears] == [(8, Stand.DUE, 1)]


@pytest.mark.parametrize(
    ("told", "stand"),
    [
        (report(1, Result.ACCEPTED, "it had been delivered before", sent=False), None),
        (report(1, Result.REFUSED, "no such type", sent=False), Stand.REFUSED),
        (report(1, Result.UNKNOWN, "the server may have it", sent=False), Stand.HELD),
    ],
)
def test_what_was_found_out_without_sending_is_no_event(told: Report, stand: Stand | None) -> None:
    """It changes how the packet stands, and costs nothing of the budget."""
    made = owing(7)
    made.resent(told, NOW)
    assert not [event for event in made.derive(NOW, NOW) if isinstance(event, PacketResent)]
    assert [parcel.stand for parcel in made.arrears] == ([stand] if stand else [])
    assert made.recovery.left(NOW) == made.recovery.terms.budget


def test_one_that_was_settled_meanwhile_was_sent_all_the_same() -> None:
    """Its late answer came while keeper sent it again: nothing to settle, but the server had the work."""
    made = owing(7)
    made.resent(report(99), NOW)
    assert len(made.arrears) == 1
    assert made.recovery.left(NOW) == made.recovery.terms.budget - 1


def test_without_an_answer_is_told_at_the_present() -> None:
    """Memory takes events in order of time, and this one is about the past."""
    made = delivery()
    read(made, sent(1))
    read(made, sent(1, at=NOW + 5), seen=NOW + 5)
    [first, *_] = made.derive(NOW + 6, NOW + 6)
    assert first == PacketUnanswered(NOW + 6, 1, "Chat", 2, NOW)
    [second, *_] = made.derive(NOW + 65, NOW + 66)
    assert second == PacketUnanswered(NOW + 66, 1, "Chat", 2, NOW + 5)


def test_no_answer_is_missing_while_the_log_is_being_caught_up_with() -> None:
    """The answer may stand in the next chunk, however long ago the packet was sent."""
    made = delivery()
    read(made, sent(1, at=NOW - 3600), sent(2, at=NOW - 3500))
    first, *_ = made.derive(NOW, NOW)
    assert isinstance(first, PacketUnanswered), "the log is known beyond its patience"
    assert first.id == 1
    assert [parcel.stand for parcel in made.arrears] == [Stand.DUE, Stand.OPEN]
    read(made, answered(2, 200, at=NOW - 3499))
    assert [parcel.id for parcel in made.arrears] == [1]
    read(made, sent(3, at=NOW - 3400))
    made.derive(NOW, NOW)
    assert made.arrears.totals(Stand.OPEN).packets == 1
    made.caught_up()
    made.derive(NOW, NOW)
    assert made.arrears.totals(Stand.OPEN).packets == 0


def test_a_live_log_proves_an_absence_without_a_pause() -> None:
    """A log that never rests says in each chunk how far it is."""
    made = delivery()
    read(made, sent(1, at=NOW))
    made.lost_sight()
    read(made, sent(2, at=NOW + 100), seen=NOW + 100.2)
    made.derive(NOW + 100.2, NOW + 100.2)
    assert [parcel.stand for parcel in made.arrears] == [Stand.DUE, Stand.OPEN]


def test_an_agent_whose_clock_was_ahead_does_not_stop_the_clock_for_good() -> None:
    """Its packet would be the first whose time is not up, for years, and all others behind it would wait."""
    made = delivery()
    read(made, sent(1, at=NOW + 1e8), seen=NOW)
    read(made, sent(2, at=NOW + 1), seen=NOW + 1)
    made.derive(NOW + 61, NOW + 61)
    assert [parcel.stand for parcel in made.arrears] == [Stand.DUE, Stand.DUE]


# -- in its pipeline ---------------------------------------------------------------------------------------------------

LOG = "stats/log"


def an_agent(*kept: Parcel) -> Pipeline:
    settings = parse("[agent:stats]\nlog = file:/tmp/x.log\nurl = http://x\nwire = json\nanswer_within = 60s", "c", {})
    [subject] = [one for one in subjects(settings) if one.kind == "agent"]
    made = Delivery(Arrears("stats", TERMS, kept), Recovery(RecoveryTerms()))
    return pipeline(subject, settings, forms(settings)["stats"], {}, lambda *_: None, NOW, delivery=made)


def lines(id: int, at: float, code: int | None = None) -> bytes:
    """A packet's send, or its answer when there is a code."""
    stamp = datetime.fromtimestamp(at).astimezone().strftime("[%Y-%m-%d %H:%M:%S,000 INFO] ")
    if code is None:
        return f"{stamp}sendThrift LIST: key='Chat', data=[Chat(a=1)], packet_id={id}\n".encode()
    answer = f"key='Chat', packet_id={id}, response=HTTPResponse(code={code},error=None)"
    return f"{stamp}onSendThriftHttpResponse: {answer}\n".encode()


def stands(agent: Pipeline) -> list[Stand]:
    assert agent.delivery is not None
    return [parcel.stand for parcel in agent.delivery.arrears]


def test_after_a_pause_the_log_is_read_before_an_answer_is_missed() -> None:
    """keeper was down, or could not open the log, for an hour: what waits in it, in several chunks, comes first."""
    agent = an_agent()
    agent.take(SourceUp(LOG, NOW), "log", NOW, 0.0)
    agent.take(Chunk(LOG, lines(1, NOW), NOW, "1"), "log", NOW, 0.0)
    agent.take(SourceUp(LOG, NOW + 1), "log", NOW + 1, 0.0)
    agent.take(SourceDown(LOG, NOW + 2, "it cannot be opened"), "log", NOW + 2, 0.0)
    later = NOW + 3600
    for item in (
        SourceUp(LOG, later),
        Chunk(LOG, lines(1, NOW + 3, 200) + lines(2, NOW + 4), later, "2"),
        Chunk(LOG, lines(2, NOW + 5, 200) + lines(3, NOW + 100), later, "3"),
        Chunk(LOG, lines(4, later - 100), later, "4"),
    ):
        taken = agent.take(item, "log", later, 0.0)
        assert 2 not in {event.id for event in taken.events if isinstance(event, PacketUnanswered)}
        assert 1 not in {event.id for event in taken.events if isinstance(event, PacketUnanswered)}
    assert stands(agent) == [Stand.DUE, Stand.OPEN]
    agent.take(SourceUp(LOG, later + 1), "log", later + 1, 0.0)
    assert stands(agent) == [Stand.DUE, Stand.DUE]


def test_after_a_restart_the_log_is_read_before_an_answer_is_missed() -> None:
    """What was open when keeper ended has its answer in what was logged meanwhile."""
    agent = an_agent(Parcel(1, 1, "c", "Chat", NOW, 1, 1))
    later = NOW + 3600
    agent.take(SourceUp(LOG, later), "log", later, 0.0)
    assert stands(agent) == [Stand.OPEN]
    agent.take(Chunk(LOG, lines(1, NOW + 3, 200), later, "2"), "log", later, 0.0)
    assert stands(agent) == []


def test_what_the_receiver_has_not_got_is_due_and_stays_so() -> None:
    """It was held because the receiver might have it; a reload with the same policy does not hold it again. What was
    sent in vain too often waits for a person all the same."""
    terms = TERMS._replace(repeat=False)
    made = delivery(terms)
    read(made, *(event for id in (1, 2) for event in (sent(id), answered(id, 599))))
    assert {parcel.stand for parcel in made.arrears} == {Stand.HELD}
    made.resent(report(1, Result.FAILED, "the receiver has not got it", sent=False), NOW)
    for _ in range(2):
        assert [(parcel.id, parcel.why) for parcel in made.arrears.due()] == [(1, "the receiver has not got it")]
        made.arrears.replan(terms)
    for _ in range(terms.tries):
        made.resent(report(1, Result.FAILED, "answered 500"), NOW)
    made.resent(report(1, Result.FAILED, "the receiver has not got it", sent=False), NOW)
    assert made.arrears[1].stand is Stand.HELD
