"""Any other HTTP endpoint: its status, and one field of its JSON as text. What they should be is for rules to judge."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.core.event import EndpointAnswer
from keeper.core.source import Now
from keeper.formats.json_answer import NotUnderstood, decode, field
from keeper.sources.http_get import DEFAULT_MAX_BYTES, HttpAnswer, shown
from keeper.sources.polling import Poll, Question


@dataclass(frozen=True, slots=True)
class HttpEndpointSettings:
    """One address to watch.

    `name` is its name in the configuration, `field` the JSON field to report (`a.b.0.c`), empty for none.
    `interval` and `timeout` (for the whole exchange) in seconds, `max_bytes` of a body.
    """

    name: str
    url: str
    field: str = ""
    interval: float = 10.0
    timeout: float = 5.0
    max_bytes: int = DEFAULT_MAX_BYTES
    ca_file: str = ""


def http_endpoint(settings: HttpEndpointSettings, now: Now) -> Poll:
    """The source `NAME/endpoint`: EndpointAnswer for every status, or AnswerFailed of `endpoint`.

    An error status without the field is an EndpointAnswer without value; a success without it is an AnswerFailed.
    """
    endpoint = shown(settings.url)

    def read(answer: HttpAnswer, at: float) -> EndpointAnswer:
        return EndpointAnswer(at, endpoint, answer.status, _value(answer, settings.field), answer.took)

    question = Question(
        name="endpoint",
        endpoint=endpoint,
        url=settings.url,
        every=settings.interval,
        slowest=settings.interval,
        timeout=settings.timeout,
        max_bytes=settings.max_bytes,
        read=read,
    )
    return Poll(f"{settings.name}/endpoint", (question,), now, settings.ca_file)


def _value(answer: HttpAnswer, path: str) -> str | None:
    if not path:
        return None
    try:
        return field(decode(answer.body), path)
    except NotUnderstood:
        if 200 <= answer.status < 300:
            raise
        return None
