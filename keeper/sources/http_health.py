"""The HTTP APIs of nodes: our own node every second, its details less often, other people's nodes politely.

Our node is asked by two sources, as one question that hangs must not delay get_info. All questions are GET without a
body: handlers of every generation ignore the verb, and since 2.1 some refuse any body but `{}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.core.event import Event
from keeper.core.source import Now
from keeper.formats import nodeos_api
from keeper.formats.json_answer import NotUnderstood
from keeper.sources.http_get import HttpAnswer, shown
from keeper.sources.polling import NotOffered, Poll, Question


@dataclass(frozen=True, slots=True)
class NodeApiSettings:
    """Our own node's get_info.

    `node` is the name of the node, `url` the address before `/v1/`, with credentials if it wants them. `interval` and
    `timeout` (for the whole exchange) in seconds; `max_bytes` of a body (a real one has 1 KB). `ca_file` holds the
    certificates to trust instead of the well-known ones.
    """

    node: str
    url: str
    interval: float = 1.0
    timeout: float = 2.0
    max_bytes: int = 65_536
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class NodeDetailsSettings:
    """What our own node says of its producing, its schedule and its peers.

    Intervals and `timeout` in seconds. `producer_url` is the address of the producer API where nodeos has one of its
    own (`http-category-address`), else empty. `max_bytes` of a body: a schedule of 125 producers has 40 KB, each
    connection 1 KB.
    """

    node: str
    url: str
    producer_url: str = ""
    paused_interval: float = 5.0
    schedule_interval: float = 30.0
    connections_interval: float = 10.0
    timeout: float = 2.0
    max_bytes: int = 1_048_576
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceApiSettings:
    """get_info of one node of somebody else.

    All times in seconds: after failures the pause doubles from `interval` up to `slowest`; `phase`, between 0 and
    `interval`, is drawn by the caller so that many keepers do not ask in the same moment.
    """

    node: str
    url: str
    interval: float = 3.0
    slowest: float = 30.0
    phase: float = 0.0
    timeout: float = 3.0
    max_bytes: int = 65_536
    ca_file: str = ""


def node_api(settings: NodeApiSettings, now: Now) -> Poll:
    """The source `NODE/api`: InfoAnswer, or AnswerFailed of `info`."""
    question = Question(
        name="info",
        endpoint=shown(settings.url),
        url=_join(settings.url, "/v1/chain/get_info"),
        every=settings.interval,
        slowest=settings.interval,
        timeout=settings.timeout,
        max_bytes=settings.max_bytes,
        read=lambda answer, at: nodeos_api.info(_good(answer), at, answer.took),
    )
    return Poll(f"{settings.node}/api", (question,), now, settings.ca_file)


def node_details(settings: NodeDetailsSettings, now: Now) -> Poll:
    """The source `NODE/details`: PausedAnswer, ScheduleAnswer, PeerCount, or AnswerFailed of `paused`, `schedule` or
    `connections`. A node that does not offer one (404) is asked for it once a minute."""

    def question(name: str, url: str, path: str, every: float, read: Callable[[bytes, float], Event]) -> Question:
        return Question(
            name=name,
            endpoint=shown(url),
            url=_join(url, path),
            every=every,
            slowest=every,
            timeout=settings.timeout,
            max_bytes=settings.max_bytes,
            read=lambda answer, at: read(_offered(answer), at),
        )

    producer_url = settings.producer_url or settings.url
    questions = (
        question("paused", producer_url, "/v1/producer/paused", settings.paused_interval, nodeos_api.paused),
        question(
            "schedule", settings.url, "/v1/chain/get_producer_schedule", settings.schedule_interval, nodeos_api.schedule
        ),
        question(
            "connections", settings.url, "/v1/net/connections", settings.connections_interval, nodeos_api.connections
        ),
    )
    return Poll(f"{settings.node}/details", questions, now, settings.ca_file)


def reference_api(settings: ReferenceApiSettings, now: Now) -> Poll:
    """The source `NODE/reference/ADDRESS`: ReferenceAnswer, or AnswerFailed of `reference`. One source an address."""
    endpoint = shown(settings.url)
    question = Question(
        name="reference",
        endpoint=endpoint,
        url=_join(settings.url, "/v1/chain/get_info"),
        every=settings.interval,
        slowest=settings.slowest,
        timeout=settings.timeout,
        max_bytes=settings.max_bytes,
        read=lambda answer, at: nodeos_api.reference(_good(answer), at, endpoint),
    )
    name = f"{settings.node}/reference/{endpoint.partition('://')[2]}"
    return Poll(name, (question,), now, settings.ca_file, settings.phase)


def _good(answer: HttpAnswer) -> bytes:
    if not 200 <= answer.status < 300:  # nodeos says 200 or 201, differing between plugins and generations
        raise NotUnderstood(nodeos_api.complaint(answer.status, answer.body))
    return answer.body


def _offered(answer: HttpAnswer) -> bytes:
    if answer.status == 404:
        raise NotOffered(f"the node does not offer it: {nodeos_api.complaint(answer.status, answer.body)}")
    return _good(answer)


def _join(url: str, path: str) -> str:
    return url.rstrip("/") + path
