"""A worker's end of JetStream: a durable consumer that all workers share, records asked for by the batch.

The connection lives in a loop of its own thread, so that the node's pings are answered and batches stay this worker's
while the worker is busy or waits for its store.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg

from keeper.errors import SourceError, StateError
from keeper.receiver.queues.jetstream_done import said
from keeper.receiver.queues.jetstream_link import (
    ACK_WAIT,
    CONSUMER,
    NO_RESPONDERS,
    PATIENCE,
    WRONG,
    Site,
    connect,
    consume,
    nanos,
    words,
)
from keeper.receiver.queues.queue import Batch
from keeper.receiver.queues.wrap import unwrap

Result = TypeVar("Result")

SHORT = 0.05  # seconds
SAID = 10_000  # numbers in one message at most


class Held(NamedTuple):
    """Where a message is answered, and its number in the stream."""

    reply: str
    number: int


class JetStreamIntake:
    def __init__(self, site: Site, ack_wait: float = ACK_WAIT) -> None:
        self._site = site
        self._ack_wait = ack_wait
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._reaching = asyncio.Lock()
        self._client: Client | None = None
        self._inbox = ""
        self._number = 0
        self._heard: asyncio.Queue[Msg] = asyncio.Queue()
        self._held: list[Held] = []  # the batch
        self._staying: asyncio.Task[None] | None = None

    def take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        return self._run(self._take(most, most_bytes, wait))

    def done(self, batch: Batch) -> None:
        self._run(self._done(batch.token))

    def close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        self._run(self._give_back())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """In the loop's thread. Every wait inside is bounded."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="jetstream", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    # -- in the loop -----------------------------------------------------------------------------------------------

    async def _take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        # JetStream's ways to say "what there is now" differ by version, and 2.9 leaves such a question unanswered when
        # another worker is faster: so one is waited for, and then all that is there is asked for, with a short time.
        messages = await self._pull({"batch": 1, "expires": nanos(max(wait, SHORT))}, wait + PATIENCE)
        room = most_bytes - sum(len(message.data) for message in messages)
        if messages and most > 1 and room > 0:
            more = {"batch": most - 1, "max_bytes": room, "no_wait": True, "expires": nanos(SHORT)}
            with contextlib.suppress(SourceError):
                messages += await self._pull(more, PATIENCE)
        if not messages:
            return None
        records: list[bytes] = []
        held: list[Held] = []
        size = 0
        for message in messages:
            record = unwrap(message.data)
            size += len(record)
            if records and size > most_bytes:  # it was squeezed
                with contextlib.suppress(SourceError):
                    await self._say(message.reply, b"-NAK")
                continue
            records.append(record)
            held.append(Held(message.reply, message.metadata.sequence.stream))
        self._held = held
        return Batch(records, held)

    async def _pull(self, question: Mapping[str, Any], patience: float) -> list[Msg]:
        """Ask for messages, and wait until all are here or it says that there are no more. Raises SourceError."""
        client = await self._reach()
        self._number += 1
        reply = f"{self._inbox}.{self._number}"
        messages: list[Msg] = []
        try:
            async with asyncio.timeout(patience):
                where = f"$JS.API.CONSUMER.MSG.NEXT.{self._site.stream}.{CONSUMER}"
                await client.publish(where, json.dumps(question).encode(), reply=reply)
                while len(messages) < question["batch"]:
                    message = await self._heard.get()
                    headers = message.headers or {}
                    if message.reply:
                        messages.append(message)
                    elif message.subject == reply and ended(headers):
                        break
                    elif message.subject == reply and headers.get("Status") == NO_RESPONDERS:
                        raise SourceError(f"{self._site}: its consumer has no leader now")
                    elif message.subject == reply:
                        raise SourceError(f"{self._site}: its consumer says {headers.get('Description')}")
        except (SourceError, *WRONG) as error:
            await self._leave()  # what comes late shall not be taken for an answer to another question
            if not messages:
                if isinstance(error, SourceError):
                    raise
                raise SourceError(f"{self._site} does not answer: {words(error)}") from error
        return messages

    async def _done(self, held: list[Held]) -> None:
        self._held = []  # if it fails they come again
        client = await self._reach()
        try:
            for one in held[:-1]:
                await client.publish(one.reply, b"+ACK")
            await client.request(held[-1].reply, b"+ACK", timeout=PATIENCE)  # they arrive in order: one is all
            for begin in range(0, len(held), SAID):
                await client.publish(self._site.done, said([one.number for one in held[begin : begin + SAID]]))
        except WRONG as error:
            await self._leave()
            raise SourceError(f"{self._site} did not confirm: {words(error)}") from error

    async def _reach(self) -> Client:
        """The connection with the consumer there, made if there is none. Raises SourceError."""
        async with self._reaching:
            if self._client is not None and self._client.is_connected:
                return self._client
            await self._leave()
            try:
                self._client = await connect(self._site)
                await self._listen(self._client)
            except (SourceError, StateError, *WRONG) as error:
                await self._leave()
                raise SourceError(words(error)) from error
            if self._staying is None:
                self._staying = asyncio.create_task(self._stay())
            return self._client

    async def _listen(self, client: Client) -> None:
        await consume(client, self._site, self._ack_wait)
        self._heard = asyncio.Queue()
        self._inbox = client.new_inbox()

        async def hear(message: Msg) -> None:
            self._heard.put_nowait(message)

        await client.subscribe(f"{self._inbox}.*", cb=hear, pending_bytes_limit=-1)

    async def _stay(self) -> None:
        """What is held stays ours."""
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            with contextlib.suppress(SourceError):
                for one in self._held:
                    await self._say(one.reply, b"+WPI")

    async def _say(self, reply: str, word: bytes) -> None:
        client = await self._reach()
        with contextlib.suppress(*WRONG):
            await client.publish(reply, word)

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*WRONG):
                await client.close()

    async def _give_back(self) -> None:
        if self._staying is not None:
            self._staying.cancel()
        with contextlib.suppress(SourceError, *WRONG):
            for one in self._held if self._client is not None else []:
                await self._say(one.reply, b"-NAK")
            if self._client is not None:
                await self._client.flush(int(PATIENCE))
        await self._leave()


def ended(headers: Mapping[str, str]) -> bool:
    """There is no more now, or not within the time, or the next message is larger than the room that was left."""
    return headers.get("Status") in {"404", "408"} or headers.get("Description", "").endswith("MaxBytes")
