"""Asking again and again, on a clock of the test's own and over a real socket."""

from __future__ import annotations

import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.batch import Answers, Item, SourceUp
from keeper.core.event import AnswerFailed, PausedAnswer
from keeper.formats.json_answer import NotUnderstood
from keeper.sources.http_get import HttpAnswer
from keeper.sources.polling import HEARTBEAT, NotOffered, Poll, Question, Turn, next_tick, pause
from tests.peers import free_port
from tests.sources.loopback import Loopback, always, answer

START = 1_800_000_000.0


class Hands:
    """A clock that only waiting moves, until `stop` seconds have passed."""

    def __init__(self, stop: float) -> None:
        self.time = START
        self.stop = START + stop
        self.items: list[Item] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> bool:
        assert seconds >= 0
        self.time += seconds
        return self.time >= self.stop

    def emit(self, item: Item) -> None:
        self.items.append(item)

    def events(self) -> list[tuple[float, object]]:
        """Seconds after the start and event of every answer, rounded to a millisecond."""
        return [(round(e.at - START, 3), e) for item in self.items if isinstance(item, Answers) for e in item.events]


def read(answer: HttpAnswer, at: float) -> PausedAnswer:
    if answer.status == 404:
        raise NotOffered("not here")
    if answer.status != 200:
        raise NotUnderstood(f"odd {answer.status}")
    return PausedAnswer(at, answer.body == b"true")


def question(url: str, every: float = 1.0, slowest: float | None = None, name: str = "paused") -> Question:
    return Question(name, "http://there", url, every, slowest or every, timeout=5.0, max_bytes=1_000, read=read)


def test_a_question_is_asked_on_its_grid() -> None:
    """Once a second from the start on: the source is up, then an answer each second, dated by its arrival."""
    hands = Hands(stop=4.5)
    with Loopback(always(answer("false"), answer("true"))) as server:
        Poll("n/x", (question(server.url()),), hands.now).run(hands.emit, hands.wait)
    assert hands.items[0] == SourceUp("n/x", START)
    assert hands.events() == [(float(t), PausedAnswer(START + t, t > 0)) for t in range(5)]
    assert {item.source for item in hands.items} == {"n/x"}
    assert server.connections == 1


def test_a_wait_that_ends_early_does_not_ask_twice() -> None:
    """A question asked a moment before its tick has been asked at that tick."""
    hands = Hands(stop=4.5)

    def wait(seconds: float) -> bool:
        return hands.wait(max(0.0, seconds - 0.001))

    with Loopback(always(answer("true"))) as server:
        Poll("n/x", (question(server.url()),), hands.now).run(hands.emit, wait)
    assert [at for at, _ in hands.events()] == [0.0, 0.999, 1.999, 2.999, 3.999]


def test_missed_ticks_are_left_out() -> None:
    """An answer that takes 3.4 s costs three questions; the next comes on the grid, and there is no burst."""
    hands = Hands(stop=7.0)

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        for number in itertools.count():
            if not server.head(connection):
                return
            if number == 1:
                hands.time += 3.4
            connection.sendall(answer("true"))

    with Loopback(treat) as server:
        Poll("n/x", (question(server.url()),), hands.now).run(hands.emit, hands.wait)
    assert [at for at, _ in hands.events()] == [0.0, 4.4, 5.0, 6.0]


def test_a_loop_that_is_behind_delays_the_questions() -> None:
    """While `emit` blocks nothing is asked, and afterwards nothing is made up for."""
    hands = Hands(stop=5.0)

    def emit(item: Item) -> None:
        hands.emit(item)
        if len(hands.items) == 2:
            hands.time += 2.5

    with Loopback(always(answer("true"))) as server:
        Poll("n/x", (question(server.url()),), hands.now).run(emit, hands.wait)
    assert [at for at, _ in hands.events()] == [0.0, 3.0, 4.0]


def test_a_phase_moves_the_whole_grid() -> None:
    """With a phase of 0.7 s the first question comes after 0.7 s and the others a second apart from it."""
    hands = Hands(stop=3.0)
    with Loopback(always(answer("true"))) as server:
        Poll("n/x", (question(server.url()),), hands.now, phase=0.7).run(hands.emit, hands.wait)
    assert [at for at, _ in hands.events()] == [0.7, 1.7, 2.7]


def test_a_source_that_waits_says_that_it_is_there() -> None:
    """Between two questions that are far apart the source says every few seconds that it still sees."""
    hands = Hands(stop=21.0)
    with Loopback(always(answer("true"))) as server:
        Poll("n/x", (question(server.url(), every=10.0),), hands.now).run(hands.emit, hands.wait)
    assert [at for at, _ in hands.events()] == [0.0, 10.0, 20.0]
    spoke = [item.at if isinstance(item, SourceUp) else item.events[0].at for item in hands.items]  # type: ignore[union-attr]
    assert max(after - before for before, after in itertools.pairwise(spoke)) <= HEARTBEAT + 0.001


def test_a_dead_server_is_failures_of_a_living_source() -> None:
    """Nobody listens: each question fails with the reason, and the source stays up."""
    hands = Hands(stop=2.5)
    Poll("n/x", (question(f"http://127.0.0.1:{free_port()}"),), hands.now).run(hands.emit, hands.wait)
    assert hands.events() == [
        (float(t), AnswerFailed(START + t, "paused", "http://there", "connection refused")) for t in range(3)
    ]
    assert hands.items[0] == SourceUp("n/x", START)


def test_a_failing_question_is_asked_ever_more_slowly_and_recovers_at_once() -> None:
    """With each failure in a row the pause doubles up to the slowest; the first success restores the pace."""
    hands = Hands(stop=130.0)
    bad = answer("", "500 Internal Server Error")
    with Loopback(always(*[bad] * 6, answer("true"), answer("true"), bad)) as server:
        Poll("n/x", (question(server.url(), every=3.0, slowest=30.0),), hands.now).run(hands.emit, hands.wait)
    asked = [at for at, _ in hands.events()]
    assert [round(b - a) for a, b in itertools.pairwise(asked)] == [3, 6, 12, 24, 30, 30, 3, 3, 3, 6]
    assert hands.events()[0][1] == AnswerFailed(START, "paused", "http://there", "odd 500")


def test_what_is_not_offered_is_said_once_and_asked_once_a_minute() -> None:
    """A question the server does not know fails once and is asked every minute, until it is answered."""
    hands = Hands(stop=200.0)
    missing = answer("", "404 Not Found")
    with Loopback(always(*[missing] * 3, answer("true"))) as server:
        Poll("n/x", (question(server.url(), every=5.0),), hands.now).run(hands.emit, hands.wait)
        assert len(server.requests) == 3 + len(hands.events()) - 1
    events = hands.events()
    assert events[0] == (0.0, AnswerFailed(START, "paused", "http://there", "not here"))
    assert [at for at, _ in events[1:4]] == [180.0, 185.0, 190.0]


def test_a_failure_between_makes_not_offered_news_again() -> None:
    """After another failure, `not offered` is said once more: the server may have become another one."""
    hands = Hands(stop=130.0)
    missing, bad = answer("", "404 Not Found"), answer("", "503 Busy")
    with Loopback(always(missing, bad, missing)) as server:
        Poll("n/x", (question(server.url(), every=5.0),), hands.now).run(hands.emit, hands.wait)
    told = [(at, e.reason) for at, e in hands.events() if isinstance(e, AnswerFailed)]
    assert told == [(0.0, "not here"), (60.0, "odd 503"), (65.0, "not here")]


def test_several_questions_share_a_source_fairly() -> None:
    """Each question has its own pace; one that is slow delays the others, but none is left out for ever."""
    hands = Hands(stop=20.0)

    def treat(server: Loopback, connection: socket.socket, _: int) -> None:
        while "GET" in (head := server.head(connection)):
            if "slow" in head:
                hands.time += 2.0
            connection.sendall(answer("true"))

    with Loopback(treat) as server:
        questions = tuple(
            question(server.url(path), every=every) for path, every in (("/slow", 1.0), ("/a", 2.0), ("/b", 5.0))
        )
        Poll("n/x", questions, hands.now).run(hands.emit, hands.wait)
        asked = [head.split()[1] for head in server.requests]
    assert asked.count("/slow") >= 5
    assert asked.count("/a") >= 5
    assert asked.count("/b") == 4


def test_it_stops_when_told() -> None:
    """A wait that says stop ends the source at once, before any question."""
    hands = Hands(stop=0.0)
    Poll("n/x", (question("http://127.0.0.1:1"),), hands.now).run(hands.emit, hands.wait)
    assert hands.items == [SourceUp("n/x", START)]


def test_a_bug_is_not_hidden() -> None:
    """An exception that is no trouble of the outside world leaves the source, for the one who ends the daemon."""

    def read_badly(answer: HttpAnswer, at: float) -> PausedAnswer:
        raise KeyError("bug")

    hands = Hands(stop=5.0)
    with Loopback(always(answer("true"))) as server:
        asked = Question("paused", "x", server.url(), 1.0, 1.0, 5.0, 1_000, read_badly)
        with pytest.raises(KeyError):
            Poll("n/x", (asked,), hands.now).run(hands.emit, hands.wait)


@given(
    start=st.floats(min_value=1.6e9, max_value=2e9),
    every=st.floats(min_value=0.2, max_value=100.0),
    ticks=st.integers(min_value=0, max_value=10**7),
    late=st.floats(min_value=0.0, max_value=0.9),
    least=st.floats(min_value=0.0, max_value=100.0),
)
def test_the_next_tick_is_on_the_grid_and_ahead(
    start: float, every: float, ticks: int, late: float, least: float
) -> None:
    """The next tick lies on the grid, after now, and neither a tick nor the wanted pause further away than need be."""
    now = start + every * (ticks + late)
    tick = next_tick(start, every, now, every)
    assert now < tick <= now + every + 1e-5
    assert abs((tick - start) / every - round((tick - start) / every)) < 1e-4
    later = next_tick(start, every, now, least)
    assert later >= tick
    assert later <= now + max(least, every) + 1e-5
    # Asked at the very tick, or a rounding before it: the same tick never comes twice.
    assert next_tick(start, every, tick, every) > tick + every / 2


def test_the_pause_is_bounded() -> None:
    """However often a question failed, the pause is a finite number not above the slowest."""
    turn = Turn(question("http://x", every=3.0, slowest=30.0), due=0.0)
    pauses = []
    for turn.failures in (0, 1, 2, 5, 1_000_000):
        pauses.append(pause(turn))
    assert pauses == [3.0, 3.0, 6.0, 30.0, 30.0]
