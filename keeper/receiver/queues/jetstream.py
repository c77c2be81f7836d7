"""NATS JetStream as the queue, for more than one machine: a stream with replicas, one message a record.

A put is confirmed when a majority of the stream's nodes has it. That is in their page caches: a node syncs its files
every two minutes (2.9 knows nothing else; from 2.10 on `sync_interval: always` makes it sync each time). Killed nodes
lose nothing; a majority that loses power within the same two minutes does.

Records that workers are done with are taken away by keeper, once a second, and only on the workers' own word. A stream
that does so itself (`workqueue`) goes apart on its nodes when they are killed, and a consumer of 2.9 that changes nodes
then may leave out thousands of records and count them as done.

The same packet sent again within two minutes is left out by the stream itself. That only saves work: stores keep each
packet once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from keeper.core.backoff import delay
from keeper.errors import SourceError, StateError
from keeper.receiver.queues.jetstream_done import Done, heard
from keeper.receiver.queues.jetstream_link import (
    ACK_WAIT,
    CONSUMER,
    FULL,
    NOT_FOUND,
    PATIENCE,
    TAGS,
    UNCLUSTERED,
    WRONG,
    Refused,
    Site,
    ask,
    connect,
    consume,
    deep,
    differs,
    waiting,
    wanted,
    words,
)
from keeper.receiver.queues.jetstream_post import Post
from keeper.receiver.queues.queue import Depth, NotTaken
from keeper.receiver.queues.wrap import name, too_large, wrap

log = logging.getLogger("keeper")

LONGEST_REST = 5.0  # seconds between tries to reach a node
STUCK = 15.0  # seconds
MOST_WAITING = 20_000  # records that no answer came for
MOST_WAITING_BYTES = 32 << 20
CURE = "raise max_payload of nats-server, or send smaller packets"


class JetStreamQueue:
    """The server's end. `most_bytes` is what may wait for workers. `failed` is called when its task ended by a bug.
    `ack_wait` is as workers have it; after `patience` seconds what was not said to be done is given again."""

    def __init__(
        self,
        site: Site,
        replicas: int,
        most_bytes: int,
        failed: Callable[[str], None],
        ack_wait: float = ACK_WAIT,
        patience: float = STUCK,
    ) -> None:
        self._failed = failed
        self._ack_wait = ack_wait
        self._patience = patience
        self._done = Done()
        self._created = ""  # when the stream was
        self._confirmed = 0  # number of the last record in it that was confirmed here
        self._missing, self._since = 0, 0.0  # the first that nobody is done with, and since when it is that
        self._site = site
        self._replicas = replicas
        self._most_bytes = most_bytes
        self._client: Client | None = None
        self._post: Post | None = None  # of this connection, when its stream is as it must be
        self._largest = 0  # bytes of a message
        self._trouble = "not open"
        self._depth = Depth(0, 0, None)
        self._wake = asyncio.Event()  # the watch looks now
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = self._waiting_bytes = 0
        self._closing = False

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._look()
        except StateError:
            await self._leave("")
            raise
        except SourceError as error:
            self._trouble = str(error)
        self._watching = self._loop.create_task(self._watch())
        self._watching.add_done_callback(self._ended)

    def put(self, records: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        post = self._post
        refused = self._refusal()
        if refused is not None or post is None or not records:
            self._loop.call_soon(done, refused)
            return
        self._waiting += len(records)
        self._waiting_bytes += sum(map(len, records))
        task = self._loop.create_task(self._carry(post, records, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refusal(self) -> NotTaken | None:
        if self._closing:
            return NotTaken("the receiver ends", 5.0)
        if self._post is None:
            return NotTaken(self._trouble, 2.0)
        if self._waiting >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES:
            return NotTaken(f"{self._site} is slow: {self._waiting} records wait for it", 2.0, full=True)
        return None

    async def _carry(self, post: Post, records: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        try:
            refused = await self._publish(post, records)
        finally:
            self._waiting -= len(records)
            self._waiting_bytes -= sum(map(len, records))
        done(refused)

    async def _publish(self, post: Post, records: Sequence[bytes]) -> NotTaken | None:
        messages = []
        for record in records:
            message = wrap(record, self._largest)
            if message is None:
                return NotTaken(too_large(record, self._largest, CURE), 0.0, too_large=True)
            messages.append((message, name(record)))
        try:
            answers = await post.send(messages, PATIENCE)
        except Refused as refused:
            return NotTaken(str(refused), 10.0, full=refused.number in FULL)
        except (SourceError, *WRONG) as error:
            return NotTaken(words(error), 2.0)
        if not all(answer["seq"] for answer in answers):
            # The same is on its way already, and the cluster has not agreed upon it yet (from 2.10 on).
            return NotTaken("jetstream has it, but not safely yet", 2.0)
        self._confirmed = max(self._confirmed, *(answer["seq"] for answer in answers))
        return None

    def depth(self) -> Depth:
        return self._depth._replace(trouble=self._trouble)

    async def drained(self, wait: float) -> bool:
        """By the numbers of records, those that come meanwhile do not count, and on the workers' own word: a consumer
        may count what was never given. A node that does not know yet what was confirmed last is asked until it does."""
        end = self._loop.time() + wait
        confirmed = self._confirmed
        last: int | None = None
        while True:
            with contextlib.suppress(SourceError):
                state = await self._state()
                if state["last_seq"] >= min(confirmed, self._confirmed):  # less is confirmed in a stream made anew
                    last = state["last_seq"] if last is None else last
                    if not state["messages"] or self._done.floor >= last:
                        return True
            if self._loop.time() >= end:
                return False
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)  # each is bounded by PATIENCE
        while not self._watching.done():  # `wait_for` of 3.11 forgets that it is cancelled when it ends at that moment
            self._watching.cancel()
            await asyncio.wait([self._watching], timeout=1.0)
        await self._leave("closed")

    # -- how it stands ---------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        failures = 0
        while not self._closing:
            rest = 1.0 if not failures else delay(failures, random.random(), longest=LONGEST_REST)  # noqa: S311  # no secret
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), rest)
            self._wake.clear()
            try:
                await self._look()
                failures = 0
            except StateError as error:
                await self._leave(str(error))
                failures += 1
            except SourceError as error:
                self._trouble = str(error)
                failures += 1
                if failures > 1:  # perhaps another node knows more
                    await self._leave(str(error))

    async def _look(self) -> None:
        """Reach it if it is not reached, find how deep it is. Raises StateError for what waiting does not mend, and
        SourceError."""
        if self._client is None or not self._client.is_connected:
            await self._leave(self._trouble)
            self._client = await connect(self._site, self._lost)
        info = await self._info(self._client)
        state = info["state"]
        why = differs(info["config"], wanted(self._site, self._replicas, self._most_bytes))
        if why:
            raise StateError(f"stream {self._site.stream!r} of {self._site} is not as it must be: {'; '.join(why)}")
        if info["created"] != self._created:
            self._done, self._created, self._confirmed = Done(), info["created"], 0
        if self._post is None:
            post = Post(self._client, self._site.subject)
            try:
                await post.open()
                await self._client.subscribe(self._site.done, cb=self._hear)
            except WRONG as error:
                raise SourceError(f"{self._site}: {words(error)}") from error
            self._largest = self._client.max_payload - TAGS
            self._post = post
        consumer = await consume(self._client, self._site, self._ack_wait)
        self._depth = deep(state, consumer)
        self._trouble = ""
        await self._take_away(self._client, state, consumer)

    async def _take_away(self, client: Client, state: Mapping[str, Any], consumer: Mapping[str, Any]) -> None:
        """What workers said that they are done with, by one operation that all nodes do alike.

        What the consumer counts as done, and no worker spoke of, is given again after a while: it was never given, or
        the word of it was lost. Nobody else can tell.
        """
        self._done.gone(state["first_seq"])
        missing = self._done.floor + 1
        if state["first_seq"] < missing and state["messages"]:
            await ask(client, f"STREAM.PURGE.{self._site.stream}", {"seq": missing})
        left = missing <= state["last_seq"] and (
            missing <= consumer["ack_floor"]["stream_seq"] or not waiting(consumer)
        )
        if not left or missing != self._missing:
            self._missing, self._since = missing, self._loop.time()
        elif self._loop.time() - self._since >= self._patience:
            self._since = self._loop.time()
            log.warning("queue=jetstream state=gives_again from=%d to=%d", missing, state["last_seq"])
            await ask(client, f"CONSUMER.DELETE.{self._site.stream}.{CONSUMER}")
            await consume(client, self._site, self._ack_wait)

    async def _hear(self, message: Msg) -> None:
        """A worker is done with some."""
        self._done.add(heard(message.data))

    async def _info(self, client: Client) -> dict[str, Any]:
        """About the stream, made if it is not there, and enlarged if its bound is lower than asked for."""
        want = wanted(self._site, self._replicas, self._most_bytes)
        try:
            info = await ask(client, f"STREAM.INFO.{self._site.stream}")
            found = info["config"]
            if not differs(found, want) and 0 < found.get("max_bytes", -1) < self._most_bytes:
                info = await ask(client, f"STREAM.UPDATE.{self._site.stream}", {**found, "max_bytes": self._most_bytes})
            return info
        except Refused as refused:
            if refused.number != NOT_FOUND:
                raise
        try:
            return await ask(client, f"STREAM.CREATE.{self._site.stream}", want)
        except Refused as refused:
            if refused.number == UNCLUSTERED:
                raise StateError(f"{self._site} is one node alone, and replicas = {self._replicas}") from refused
            raise

    def _ended(self, watching: asyncio.Task[None]) -> None:
        if not watching.cancelled() and not self._closing:
            log.error("task=queue/watch state=failed", exc_info=watching.exception())
            self._failed("queue/watch")

    async def _state(self) -> dict[str, Any]:
        """Of the stream that workers' words were heard of."""
        if self._client is None or not self._client.is_connected:
            raise SourceError(self._trouble)
        info = await ask(self._client, f"STREAM.INFO.{self._site.stream}")
        if info["created"] != self._created:
            raise SourceError(f"{self._site}: its stream was made anew")
        state: dict[str, Any] = info["state"]
        return state

    def _lost(self) -> None:
        """The connection was closed, by us or by the node."""
        if self._post is not None:
            self._post.lost()
            self._post = None
            self._trouble = f"{self._site}: the connection was lost"
            self._wake.set()

    async def _leave(self, why: str) -> None:
        client, self._client = self._client, None
        if client is not None and not client.is_closed:
            with contextlib.suppress(*WRONG):
                await client.close()
        self._trouble = why
