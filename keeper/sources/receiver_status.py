"""A receiver, asked every second how it stands: what waits in its queue, how its workers fare, what it refused."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.receiver_event import ReceiverAnswer
from keeper.core.source import Now
from keeper.formats.json_answer import NotUnderstood
from keeper.formats.receiver_standing import standing
from keeper.sources.http_get import DEFAULT_MAX_BYTES, HttpAnswer
from keeper.sources.polling import Poll, Question

PATH = "/api/v1/status"
BRIEF = "?counts=no"  # what it counted by hour, source and type is much, and nothing to judge
ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # where to ask what listens there


@dataclass(frozen=True, slots=True)
class ReceiverStatusSettings:
    """`listen` is where its status is served. `interval` and `timeout` (for the whole exchange) in seconds, `max_bytes`
    of a body: one of 64 workers and hundreds of sources has 100 KB."""

    name: str
    listen: str
    interval: float = 1.0
    timeout: float = 2.0
    max_bytes: int = DEFAULT_MAX_BYTES


def receiver_status(settings: ReceiverStatusSettings, now: Now) -> Poll:
    """The source `NAME/status`: ReceiverAnswer, or AnswerFailed of `status`."""
    host, _, port = settings.listen.rpartition(":")
    endpoint = f"http://{ANYWHERE.get(host, host)}:{port}{PATH}"

    def read(answer: HttpAnswer, at: float) -> ReceiverAnswer:
        if answer.status != 200:
            raise NotUnderstood(f"answered with status {answer.status}, not 200")
        return standing(answer.body, at, answer.took)

    question = Question(
        name="status",
        endpoint=endpoint,
        url=endpoint + BRIEF,
        every=settings.interval,
        slowest=settings.interval,
        timeout=settings.timeout,
        max_bytes=settings.max_bytes,
        read=read,
    )
    return Poll(f"{settings.name}/status", (question,), now)
