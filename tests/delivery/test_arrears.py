"""What an agent owes its server: every history of a packet ends in the right stand, and nothing falls out unsaid."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from random import Random

import pytest

from keeper.core.event import PacketAnswered, PacketSent, PacketUnanswered
from keeper.delivery.arrears import Arrears, Terms, Totals
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Change, Parcel, Stand
from tests.delivery.arrears_model import Model

TERMS = Terms(skip=frozenset({"Ping"}), answer_within=60.0, tries=3)
HOLD = TERMS._replace(repeat=False)

Step = Callable[[Arrears], object]


def sent(id: int | None, at: float = 0.0, key: str = "Chat", data: bytes = b"[1]", events: int = 2) -> Step:
    return lambda arrears: arrears.sent(PacketSent(at, id, key, 0, len(data), events), data)


def answer(id: int, code: int | None, at: float = 1.0, key: str = "Chat", why: str = "") -> Step:
    return lambda arrears: arrears.answered(PacketAnswered(at, id, key, code, 0.1, why))


def expire(seen: float) -> Step:
    return lambda arrears: arrears.expire(seen)


def resent(number: int, result: Result, detail: str = "answered 500") -> Step:
    return lambda arrears: arrears.resent(number, result, detail)


def hold(number: int) -> Step:
    return lambda arrears: arrears.hold(number, "the ledger knows of it")


def replan(terms: Terms) -> Step:
    return lambda arrears: arrears.replan(terms)


def after(terms: Terms, *steps: Step) -> Arrears:
    arrears = Arrears("stats", terms)
    for step in steps:
        step(arrears)
    return arrears


HISTORIES: dict[str, tuple[Terms, list[Step], list[tuple[int, str, str | None, int | None]]]] = {
    "sent": (TERMS, [sent(7)], [(1, "open", None, None)]),
    "accepted": (TERMS, [sent(7), answer(7, 200)], []),
    "rejected": (TERMS, [sent(7), answer(7, 500)], [(1, "due", "rejected", 500)]),
    "accepted with another word": (TERMS, [sent(7), answer(7, 202)], [(1, "due", "rejected", 202)]),
    "timed out": (TERMS, [sent(7), answer(7, 599)], [(1, "due", "unknown", 599)]),
    "no response": (TERMS, [sent(7), answer(7, None)], [(1, "due", "unknown", None)]),
    "rejected, hold": (HOLD, [sent(7), answer(7, 500)], [(1, "due", "rejected", 500)]),
    "timed out, hold": (HOLD, [sent(7), answer(7, 599)], [(1, "held", "unknown", 599)]),
    "no response, hold": (HOLD, [sent(7), answer(7, None)], [(1, "held", "unknown", None)]),
    "not yet too late": (TERMS, [sent(7, at=10), expire(69.9)], [(1, "open", None, None)]),
    "too late": (TERMS, [sent(7, at=10), expire(70)], [(1, "due", "unanswered", None)]),
    "too late, hold": (HOLD, [sent(7, at=10), expire(70)], [(1, "held", "unanswered", None)]),
    "too late, those seen only": (
        TERMS, [sent(7, at=10), sent(8, at=20), expire(75)], [(1, "due", "unanswered", None), (2, "open", None, None)]
    ),
    "late but accepted": (TERMS, [sent(7), expire(60), answer(7, 200, at=61)], []),
    "late but accepted, hold": (HOLD, [sent(7), expire(60), answer(7, 200, at=61)], []),
    "late and rejected, hold": (HOLD, [sent(7), expire(60), answer(7, 500, at=61)], [(1, "due", "rejected", 500)]),
    "answered twice": (TERMS, [sent(7), answer(7, 500), answer(7, 200)], [(1, "due", "rejected", 500)]),
    "another type's answer": (TERMS, [sent(7), answer(7, 200, key="Login")], [(1, "open", None, None)]),
    "and then its own": (TERMS, [sent(7), answer(7, 200, key="Login"), answer(7, 200)], []),
    "the agent restarts": (
        TERMS, [sent(7, at=0), sent(7, at=5)], [(1, "due", "unanswered", None), (2, "open", None, None)]
    ),
    "and the answer is to the new one": (
        TERMS, [sent(7, at=0), sent(7, at=5), answer(7, 200)], [(1, "due", "unanswered", None)]
    ),
    "it restarts after the answer": (
        TERMS, [sent(7), answer(7, 500), sent(7), answer(7, 200)], [(1, "due", "rejected", 500)]
    ),
    "it restarts when it is late": (
        TERMS, [sent(7), expire(60), sent(7, at=70), answer(7, 200)], [(1, "due", "unanswered", None)]
    ),
    "a skipped one takes the id": (TERMS, [sent(7), sent(7, key="Ping")], [(1, "due", "unanswered", None)]),
    "skipped": (TERMS, [sent(7, key="Ping"), answer(7, 500, key="Ping")], []),
    "without an id": (TERMS, [sent(None)], []),
    "sent again, accepted": (TERMS, [sent(7), answer(7, 500), resent(1, Result.ACCEPTED)], []),
    "refused": (TERMS, [sent(7), answer(7, 500), resent(1, Result.REFUSED)], [(1, "refused", "rejected", 500)]),
    "busy for ever": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.BUSY)] * 9], [(1, "due", "rejected", 500)]
    ),
    "astray for ever": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.ASTRAY)] * 9], [(1, "due", "rejected", 500)]
    ),
    "failed twice": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.FAILED)] * 2], [(1, "due", "rejected", 500)]
    ),
    "failed three times": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.FAILED)] * 3], [(1, "held", "rejected", 500)]
    ),
    "unknown three times": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.UNKNOWN)] * 3], [(1, "held", "rejected", 500)]
    ),
    "unknown once, hold": (
        HOLD, [sent(7), answer(7, 500), resent(1, Result.UNKNOWN)], [(1, "held", "rejected", 500)]
    ),
    "refused, then the late answer": (
        TERMS,
        [sent(7), expire(60), resent(1, Result.REFUSED), answer(7, 500)],
        [(1, "refused", "rejected", 500)],
    ),
    "held for its tries, then the late answer": (
        TERMS,
        [sent(7), expire(60), *[resent(1, Result.FAILED)] * 3, answer(7, 500)],
        [(1, "held", "rejected", 500)],
    ),
    "held by the ledger": (TERMS, [sent(7), answer(7, 599), hold(1)], [(1, "held", "unknown", 599)]),
    "a report of nothing": (TERMS, [resent(1, Result.ACCEPTED), hold(1)], []),
    "now hold": (TERMS, [sent(7), answer(7, 599), replan(HOLD)], [(1, "held", "unknown", 599)]),
    "now hold, but it was rejected": (TERMS, [sent(7), answer(7, 500), replan(HOLD)], [(1, "due", "rejected", 500)]),
    "now resend": (HOLD, [sent(7), answer(7, 599), replan(TERMS)], [(1, "due", "unknown", 599)]),
    "now resend, after one failure": (
        HOLD,
        [sent(7), answer(7, 500), resent(1, Result.FAILED), resent(1, Result.UNKNOWN), replan(TERMS)],
        [(1, "due", "rejected", 500)],
    ),
    "still hold what keeper sent itself": (
        HOLD, [sent(7), answer(7, 500), resent(1, Result.UNKNOWN), replan(HOLD)], [(1, "held", "rejected", 500)]
    ),
    "still held for its tries": (
        TERMS, [sent(7), answer(7, 500), *[resent(1, Result.FAILED)] * 3, replan(TERMS)], [(1, "held", "rejected", 500)]
    ),
    "more tries": (
        TERMS,
        [sent(7), answer(7, 500), *[resent(1, Result.FAILED)] * 3, replan(TERMS._replace(tries=4))],
        [(1, "due", "rejected", 500)],
    ),
    "refused stays refused": (
        TERMS, [sent(7), answer(7, 500), resent(1, Result.REFUSED), replan(HOLD)], [(1, "refused", "rejected", 500)]
    ),
    "now skip": (TERMS, [sent(7), answer(7, 500), replan(TERMS._replace(skip=frozenset({"Chat"})))], []),
    "now skip, answer on its way": (TERMS, [sent(7), replan(TERMS._replace(skip=frozenset({"Chat"}))), expire(99)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_histories(name: str) -> None:
    """What the log and keeper's own sending say, and how every packet stands then."""
    terms, steps, stands = HISTORIES[name]
    arrears = after(terms, *steps)
    assert [(p.number, p.stand.value, p.outcome, p.code) for p in arrears] == stands
    assert_sums(arrears)


def assert_sums(arrears: Arrears) -> None:
    """What is counted as it goes is what is there."""
    for stand in Stand:
        those = [parcel for parcel in arrears if parcel.stand is stand]
        assert arrears.totals(stand) == Totals(len(those), sum(parcel.events for parcel in those))
    owed = [parcel for parcel in arrears if parcel.stand in (Stand.DUE, Stand.HELD)]
    assert arrears.oldest() == (owed[0] if owed else None)
    assert len(arrears) == len(list(arrears))
    waiting = [parcel.at for parcel in arrears if parcel.stand is Stand.OPEN]
    assert arrears.next_timeout() == (waiting[0] + arrears.terms.answer_within if waiting else float("inf"))


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ([sent(None), sent(None)], (0, 2, 0)),
        ([sent(1, key="Ping"), answer(1, 599, key="Ping")], (0, 0, 1)),
        ([answer(1, 200), answer(1, 500)], (2, 0, 0)),
        ([sent(1), answer(1, 200), answer(1, 200)], (1, 0, 0)),
        ([sent(1), answer(1, 200, key="Login")], (1, 0, 0)),
        ([sent(1), replan(TERMS._replace(skip=frozenset({"Chat"}))), answer(1, 200)], (0, 0, 1)),
    ],
)
def test_what_cannot_be_paired_is_counted(steps: list[Step], counts: tuple[int, int, int]) -> None:
    """Answers to nothing known, sends without an id, and types that are not sent again."""
    arrears = after(TERMS, *steps)
    assert (arrears.unpaired, arrears.without_id, arrears.skipped) == counts


def test_who_has_no_answer_is_told_once() -> None:
    """By a restart of the agent at the time of the new packet, by patience at the time up to which the log is known."""
    arrears = after(TERMS, sent(7, at=10.0), sent(8, at=11.0))
    assert sent(7, at=20.0)(arrears) == [PacketUnanswered(20.0, 7, "Chat", 2, 10.0)]
    assert arrears.expire(70.9) == []
    assert arrears.expire(71.0) == [PacketUnanswered(71.0, 8, "Chat", 2, 11.0)]
    assert arrears.expire(79.0) == []
    assert arrears.expire(90.0) == [PacketUnanswered(90.0, 7, "Chat", 2, 20.0)]
    assert arrears.expire(1e12) == []


def test_why_a_packet_stands_as_it_does() -> None:
    """Half a sentence each, for `keeper undelivered`."""
    steps = [
        sent(1), answer(1, 503), sent(2), answer(2, 599, why="HTTP 599: Timeout"), sent(3), answer(3, None), sent(4),
        sent(5), answer(5, 500), sent(6), answer(6, 500), sent(7), answer(7, 500), expire(60),
        *[resent(5, Result.FAILED)] * 3, resent(6, Result.REFUSED, "answered 400: no"), resent(7, Result.BUSY, "busy"),
    ]  # fmt: skip
    assert [parcel.why for parcel in after(TERMS, *steps)] == [
        "the server answered 503",
        "HTTP 599: Timeout",
        "no answer in time",
        "no answer was logged",
        "sent 3 times in vain: answered 500",
        "answered 400: no",
        "busy",
    ]
    held = after(HOLD, sent(1), answer(1, 599), sent(2), answer(2, 500), resent(2, Result.UNKNOWN, "answered 504"))
    assert [parcel.why for parcel in held] == [
        "the agent heard no answer in time; the server may have it",
        "answered 504; the server may have it",
    ]


def test_what_failed_is_tried_after_what_was_never_tried() -> None:
    """Two packets on which the server fails would end each run before it comes to the others."""
    arrears = after(TERMS, *[step for id in range(1, 6) for step in (sent(id), answer(id, 500))])
    resent(1, Result.FAILED)(arrears)
    resent(3, Result.FAILED)(arrears)
    resent(3, Result.FAILED)(arrears)
    assert [parcel.number for parcel in arrears.due()] == [2, 4, 5, 1, 3]


@pytest.mark.parametrize(
    ("terms", "kept", "forgotten"),
    [
        (TERMS._replace(packets=3), [3, 4, 5], 2),
        (TERMS._replace(size=250), [4, 5], 3),
        (TERMS._replace(size=99), [5], 4),
        (TERMS._replace(size=500, packets=5), [1, 2, 3, 4, 5], 0),
    ],
)
def test_the_oldest_fall_out_and_are_counted(terms: Terms, kept: list[int], forgotten: int) -> None:
    """By number and by size; one that alone is too large is kept. The same when the bounds are lowered later."""
    packets = [sent(id, data=bytes([id]) * 100) for id in range(1, 6)]
    at_once = after(terms, *packets)
    later = after(TERMS, *packets, replan(terms))
    for arrears in (at_once, later):
        assert ([parcel.id for parcel in arrears], arrears.forgotten) == (kept, forgotten)
        assert_sums(arrears)
    answer(1, 200)(at_once)
    assert at_once.unpaired == (1 not in kept)


def test_each_text_is_handed_out_once() -> None:
    """With the first change of its packet; what came and went in between is never told."""
    arrears = after(TERMS, sent(1, data=b"[a]"), sent(2, data=b"[b]"), answer(2, 200), sent(3, data=b"[c]"))
    [first, third] = arrears.changes()
    assert (first.number, first.data, third.number, third.data) == (1, b"[a]", 3, b"[c]")
    assert arrears.changes() == []
    answer(1, 500)(arrears)
    answer(3, 200)(arrears)
    assert arrears.changes() == [Change("stats", 1, arrears[1], None), Change("stats", 3, None, None)]
    hold(1)(arrears)
    resent(1, Result.ACCEPTED)(arrears)
    assert arrears.changes() == [Change("stats", 1, None, None)]


def test_after_a_restart_of_keeper() -> None:
    """Nothing is to be stored anew, numbers go on, and an answer belongs to the newest packet of its id, if that has
    none."""
    before = after(TERMS, sent(7), sent(7), answer(7, 500), sent(8), expire(60), sent(9))
    arrears = Arrears("stats", TERMS, list(before))
    assert arrears.changes() == []
    assert list(arrears) == list(before)
    answer(7, 200)(arrears)
    assert (len(arrears), arrears.unpaired) == (4, 1)
    for id in (8, 9):
        answer(id, 200)(arrears)
    assert [parcel.id for parcel in arrears] == [7, 7]
    sent(10)(arrears)
    assert [parcel.number for parcel in arrears] == [1, 2, 5]


def test_the_oldest_is_found_without_looking_at_all() -> None:
    """However many refused ones stand before it: it is asked for at every turn of the loop."""
    many = 20_000
    refused = [Parcel(n, n, "c", "Chat", 0.0, 1, 1, Stand.REFUSED, "rejected", 400) for n in range(1, many)]
    arrears = Arrears(
        "stats", TERMS, [*refused, Parcel(many, many, "c", "Chat", 0.0, 1, 1, Stand.DUE, "rejected", 500)]
    )
    began = time.process_time()
    oldest = [arrears.oldest() for _ in range(10_000)]
    assert time.process_time() - began < 1.0  # 10 s and more if all of them are gone through
    assert oldest[-1] == arrears[many]


def test_what_was_owed_once_is_not_remembered_for_ever() -> None:
    """One that is held for years does not make those that came and went behind it pile up."""
    arrears = after(HOLD, sent(1), answer(1, 599))
    for id in range(2, 5000):
        for step in (sent(id), answer(id, 500), resent(id, Result.ACCEPTED)):
            step(arrears)
        arrears.changes()
    assert len(arrears) == 1
    assert sum(map(sys.getsizeof, vars(arrears).values())) < 10_000


KEYS = ("Chat", "Login", "Ping", "Talent")


def a_terms(chance: Random) -> Terms:
    return Terms(
        frozenset(chance.sample(KEYS, chance.choice([0, 1, 1]))),
        chance.random() < 0.5,
        chance.choice([5.0, 20.0]),
        chance.choice([4, 12, 1000, 1000, 1000]),
        chance.choice([60, 300, 10**6, 10**6, 10**6]),
        chance.choice([1, 2, 5]),
    )


def test_against_a_naive_model_and_what_is_stored_is_what_is_owed(seed: int) -> None:
    """Thousands of random histories with restarts of the agent and of keeper: the same packets stand the same, and the
    changes, stored as they are handed out at any moments, always are what is owed, texts included."""
    chance = Random(seed)
    for _ in range(300):
        terms = a_terms(chance)
        arrears, model = Arrears("stats", terms), Model(terms)
        stored: dict[int, tuple[Parcel, bytes]] = {}
        now = 0.0
        for _ in range(chance.randrange(1, 120)):
            now += chance.choice([0.0, 0.3, 1.0, 4.0])
            dice = chance.random()
            number = chance.choice([row["number"] for row in model.rows] or [1])
            if dice < 0.4:
                data = b"x" * chance.randrange(1, 60)
                event = PacketSent(
                    now, chance.choice([None, *range(1, 9)]), chance.choice(KEYS), 0, len(data), chance.randrange(1, 9)
                )
                assert [e.id for e in arrears.sent(event, data)] == [event.id for _ in model.sent(event, data)]
            elif dice < 0.65:
                said = PacketAnswered(
                    now, chance.randrange(1, 9), chance.choice(KEYS), chance.choice([200, 200, 500, 599, None]), None
                )
                arrears.answered(said)
                model.answered(said)
            elif dice < 0.75:
                seen = now - chance.choice([0.0, 2.0])
                assert len(arrears.expire(seen)) == len(model.expire(seen))
            elif dice < 0.87:
                result = chance.choice(list(Result))
                arrears.resent(number, result, "d")
                model.resent(number, result.value)
            elif dice < 0.9:
                arrears.hold(number, "h")
                model.hold(number)
            elif dice < 0.94:
                terms = a_terms(chance)
                arrears.replan(terms)
                model.replan(terms)
            elif dice < 0.98:
                store(stored, arrears)
            else:
                store(stored, arrears)
                terms = chance.choice([terms, a_terms(chance)])
                arrears = Arrears("stats", terms, [parcel for parcel, _ in stored.values()])
                model.reload(terms)
            assert_same(arrears, model)
        store(stored, arrears)
        assert {n: data for n, (_, data) in stored.items()} == {row["number"]: row["data"] for row in model.rows}


def store(stored: dict[int, tuple[Parcel, bytes]], arrears: Arrears) -> None:
    """As the database does: texts once, and nothing that is not there is changed."""
    for change in arrears.changes():
        if change.parcel is None:
            del stored[change.number]
        elif change.data is not None:
            assert change.number not in stored
            stored[change.number] = change.parcel, change.data
        else:
            stored[change.number] = change.parcel, stored[change.number][1]
    assert [parcel for parcel, _ in stored.values()] == list(arrears)


def assert_same(arrears: Arrears, model: Model) -> None:
    assert_sums(arrears)
    assert [
        (p.number, p.id, p.key, p.at, p.events, p.size, p.content, p.stand.value, p.outcome, p.code, p.tries)
        for p in arrears
    ] == [
        tuple(row[name] for name in ("number", "id", "key", "at", "events", "size", "content", "stand", "outcome",
                                     "code", "tries"))
        for row in model.rows
    ]  # fmt: skip
    counted = {name: getattr(arrears, name) for name in model.counts}
    assert counted == model.counts
