"""What both ends of JetStream know: where it is, how it is asked, and how its stream must be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import nats
from nats.aio.client import Client
from nats.errors import AuthorizationError, Error, NoRespondersError

from keeper.errors import SourceError, StateError
from keeper.receiver.queues.queue import Depth

STREAM = "keeper"
CONSUMER = "workers"
ACK_WAIT = 30.0  # seconds without a word after which a batch is another worker's
PATIENCE = 5.0  # seconds for one answer; electing a leader takes about as long
PING = 5  # seconds; a node that leaves two pings unanswered is left
WINDOW = 120  # seconds in which the stream leaves out what it has
TAGS = 256  # bytes of a message's headers, with room
WRONG = (Error, OSError, TimeoutError)
UNCLUSTERED = 10074  # replicas > 1 not supported in non-clustered mode
NO_RESPONDERS = "503"  # nobody listens for this subject
NOT_FOUND = 10059  # stream not found
NO_CONSUMER = 10014  # consumer not found
FULL = (10077, 10023, 10047)  # maximum bytes exceeded, insufficient resources, insufficient storage


class Site(NamedTuple):
    """A stream of a cluster, and who keeper is there."""

    nodes: tuple[str, ...]  # HOST:PORT
    stream: str = STREAM
    user: str = ""
    password: str = ""

    @property
    def subject(self) -> str:
        return f"{self.stream}.records"

    @property
    def done(self) -> str:
        """Where workers say which records are done. It is not a part of the stream: what is not heard is done again."""
        return f"{self.stream}.done"

    def __str__(self) -> str:
        return f"jetstream at {', '.join(self.nodes)}"


class Refused(SourceError):  # noqa: N818  # it is an answer, and reads as one where it is caught
    """JetStream's own no, with its number."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> Refused:
        return cls(f"jetstream: {error.get('description', error)}", int(error.get("err_code", 0)))


def site_of(rest: str, user: str = "", password: str = "") -> Site:
    """`HOST:PORT, HOST:PORT[/STREAM]`."""
    nodes, _, stream = rest.partition("/")
    return Site(tuple(node.strip() for node in nodes.split(",")), stream or STREAM, user, password)


async def connect(site: Site, lost: Callable[[], None] = lambda: None) -> Client:
    """A connection to any node. It does not come back by itself: who has it makes another, when `lost` was called or
    before. Raises StateError when the user is refused, SourceError when no node answers."""
    last: list[Exception] = []

    async def heard(error: Exception) -> None:
        last[:] = [error]

    async def closed() -> None:
        lost()

    try:
        async with asyncio.timeout(2 * PATIENCE):
            return await nats.connect(
                servers=[f"nats://{node}" for node in site.nodes],
                user=site.user or None,
                password=site.password or None,
                name="keeper",
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=2,
                ping_interval=PING,
                error_cb=heard,
                closed_cb=closed,
            )
    except WRONG as error:
        cause = error if isinstance(error, AuthorizationError) or not last else last[0]
        if isinstance(cause, AuthorizationError) or "authorization" in str(cause).lower():
            raise StateError(f"{site} refuses user {site.user!r} or its password") from error
        raise SourceError(f"{site}: no node answers: {words(cause)}") from error


async def ask(client: Client, what: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One question to JetStream itself, such as STREAM.INFO.keeper. Raises Refused for its no, SourceError when it does
    not answer."""
    try:
        said = await client.request(f"$JS.API.{what}", json.dumps(body or {}).encode(), timeout=PATIENCE)
    except NoRespondersError as error:
        raise SourceError("jetstream is not there: not switched on, or its cluster has no leader") from error
    except WRONG as error:
        raise SourceError(f"jetstream did not answer {what}: {words(error)}") from error
    answer: dict[str, Any] = json.loads(said.data)
    if "error" in answer:
        raise Refused.of(answer["error"])
    return answer


def wanted(site: Site, replicas: int, most_bytes: int) -> dict[str, Any]:
    """The stream that keeper makes: on disk, keeping all until keeper takes it away, full rather than forgetful."""
    return {
        "name": site.stream,
        "subjects": [site.subject],
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "num_replicas": replicas,
        "max_bytes": most_bytes,
        "max_msgs": -1,
        "max_age": 0,
        "duplicate_window": nanos(WINDOW),
    }


async def consume(client: Client, site: Site, ack_wait: float = ACK_WAIT) -> dict[str, Any]:
    """How the consumer that all workers share stands, made if it is not there or has another `ack_wait`. It is not made
    again when it is as it must be: 2.9 loses questions for messages that come meanwhile."""
    try:
        found = await ask(client, f"CONSUMER.INFO.{site.stream}.{CONSUMER}")
        if found["config"]["ack_wait"] == nanos(ack_wait):
            return found
    except Refused as refused:
        if refused.number != NO_CONSUMER:
            raise
    config = {
        "durable_name": CONSUMER,
        "ack_policy": "explicit",
        "ack_wait": nanos(ack_wait),
        "max_ack_pending": -1,
        "max_deliver": -1,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }
    question = {"stream_name": site.stream, "config": config}
    return await ask(client, f"CONSUMER.DURABLE.CREATE.{site.stream}.{CONSUMER}", question)


def differs(found: Mapping[str, Any], want: Mapping[str, Any]) -> list[str]:
    """Why a stream that is there cannot be used, each a few words; empty when it can. Its bound may be another, and it
    may have more replicas."""
    exact = ("subjects", "storage", "retention", "discard")
    why = [f"{key} is {found.get(key)!r}, not {want[key]!r}" for key in exact if found.get(key) != want[key]]
    if found.get("num_replicas", 1) < want["num_replicas"]:
        why.append(f"num_replicas is {found.get('num_replicas', 1)}, not {want['num_replicas']}")
    forgets = ("max_age", "max_msgs_per_subject")  # each would take away what no worker is done with
    why += [f"{key} is {found[key]}, not unlimited" for key in forgets if found.get(key, 0) > 0]
    if found.get("sealed") or found.get("no_ack") or found.get("mirror") or found.get("sources"):
        why.append("it is sealed, without acks, or a copy of another")
    return why


def waiting(consumer: Mapping[str, Any]) -> int:
    """Records that no worker is done with."""
    return int(consumer["num_pending"]) + int(consumer["num_ack_pending"])


def deep(state: Mapping[str, Any], consumer: Mapping[str, Any]) -> Depth:
    """By the consumer: the stream has what is done for a while."""
    records = waiting(consumer)
    lost = len((state.get("lost") or {}).get("msgs") or ())
    if not records or not state["messages"]:
        return Depth(records, 0, None, lost)
    return Depth(records, state["bytes"], datetime.fromisoformat(state["first_ts"]).timestamp(), lost)


def nanos(seconds: float) -> int:
    """As JetStream writes times."""
    return int(seconds * 1e9)


def words(error: BaseException) -> str:
    """What an error says, or its kind: many of nats-py's say nothing."""
    return str(error) or type(error).__name__
