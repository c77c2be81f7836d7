"""Asking again and again: a source made of questions, each at its own pace, none in a hurry after a delay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from keeper.core.batch import Answers, SourceUp
from keeper.core.event import AnswerFailed, Event
from keeper.core.source import Emit, Now, Wait
from keeper.errors import SourceError
from keeper.formats.json_answer import NotUnderstood
from keeper.sources.http_get import Http, HttpAnswer

NOT_OFFERED_PAUSE = 60.0  # seconds until a question is asked again that the server does not know
HEARTBEAT = 2.0  # seconds after which a source that has nothing to ask says again that it is there


class NotOffered(Exception):  # noqa: N818 - no error: many nodes offer only some APIs
    """The server says that it does not know the question. The message is half a sentence about it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask and how to read the answer. All times in seconds.

    Asked every `every` seconds; with each failure in a row the pause doubles, up to `slowest`. `read` turns an answer
    and its time of arrival into an event, or raises NotUnderstood or NotOffered. `name` and `endpoint` are what
    AnswerFailed shall say.
    """

    name: str
    endpoint: str
    url: str
    every: float
    slowest: float
    timeout: float
    max_bytes: int
    read: Callable[[HttpAnswer, float], Event]


@dataclass(slots=True)
class Turn:
    """When a question is due, and how it went."""

    question: Question
    due: float
    failures: int = 0
    offered: bool = True


class Poll:
    """A source that asks its questions over one `Http`, one after the other, the longest due first.

    Questions are asked on a fixed grid that begins `phase` seconds after the start. Ticks missed while an answer, the
    loop or the whole host hung are left out, never made up for. A silent server is AnswerFailed: the source itself is
    up as long as it can ask, and says so while it waits. A question that is not offered is an AnswerFailed once, and
    asked once a minute.
    """

    def __init__(
        self, name: str, questions: tuple[Question, ...], now: Now, ca_file: str = "", phase: float = 0.0
    ) -> None:
        self._name = name
        self._questions = questions
        self._now = now
        self._ca_file = ca_file
        self._phase = phase

    @property
    def name(self) -> str:
        return self._name

    def run(self, emit: Emit, wait: Wait) -> None:
        http = Http(self._now, self._ca_file)
        start = self._now() + self._phase
        emit(SourceUp(self._name, self._now()))
        turns = [Turn(question, start) for question in self._questions]
        try:
            while True:
                turn = min(turns, key=lambda each: each.due)
                left = turn.due - self._now()
                if wait(min(max(0.0, left), HEARTBEAT)):
                    return
                if left > HEARTBEAT:
                    emit(SourceUp(self._name, self._now()))
                    continue
                event = self._ask(http, turn)
                if event is not None:
                    emit(Answers(self._name, (event,)))
                # Not before the next tick even if the wait ended a little early.
                turn.due = next_tick(start, turn.question.every, max(turn.due, self._now()), pause(turn))
        finally:
            http.close()

    def _ask(self, http: Http, turn: Turn) -> Event | None:
        """One question, one event; None for the second and later times that it is not offered."""
        question = turn.question
        try:
            answer = http.get(question.url, question.timeout, question.max_bytes)
            event = question.read(answer, self._now())
        except NotOffered as error:
            reason = str(error) if turn.offered else None
            turn.offered, turn.failures = False, 0
        except (SourceError, NotUnderstood) as error:
            reason = str(error)
            turn.offered, turn.failures = True, turn.failures + 1
        else:
            turn.offered, turn.failures = True, 0
            return event
        return None if reason is None else AnswerFailed(self._now(), question.name, question.endpoint, reason)


def pause(turn: Turn) -> float:
    """Seconds that should pass before the question is asked again."""
    if not turn.offered:
        return NOT_OFFERED_PAUSE
    question = turn.question
    doubled = question.every * 2.0 ** min(max(turn.failures - 1, 0), 30)
    return max(question.every, min(doubled, question.slowest))


def next_tick(start: float, every: float, now: float, at_least: float) -> float:
    """The first tick of the grid `start`, `start + every`, ... after now, or about `at_least` seconds away if later."""
    ticks = (now + max(0.0, at_least - every) - start) / every
    # A date has a resolution of 0.2 microseconds: what is a millionth of a tick before a tick is that tick.
    return start + every * (math.floor(ticks + 1e-6) + 1)
