"""Answers questions about what is confirmed, beside the requests: one thread asks the store, few wait at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from keeper.errors import StateError
from keeper.receiver.aside import Aside
from keeper.receiver.confirm import answer, question_of_body, question_of_query
from keeper.receiver.door import Asked
from keeper.receiver.gate import Gate
from keeper.receiver.http_answer import Answer, busy, refused
from keeper.receiver.http_connection import Reply
from keeper.receiver.http_request import Request
from keeper.receiver.packet import Malformed
from keeper.receiver.queues.queue import Queue
from keeper.receiver.stores.store import Reader, StoreError

log = logging.getLogger("keeper")

MOST = 16  # questions at once
PATIENCE = 60.0  # seconds for the store's answer, and for those before it

Found = TypeVar("Found")


class Questions:
    """For the server's event loop. `reader` opens the store for looking."""

    def __init__(self, queue: Queue, gate: Gate, reader: Callable[[], Reader]) -> None:
        self._queue = queue
        self._gate = gate
        self._open = reader
        self._reader: Reader | None = None
        self._aside = Aside("store-reader")
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, asked: Asked, request: Request, reply: Reply) -> None:
        """Answer a request to /v1/confirmed, later."""
        if len(self._tasks) >= MOST:
            reply(busy(f"{MOST} questions are being answered"))
            return
        task = asyncio.create_task(self._replied(asked, request, reply))
        self._tasks.add(task)  # asyncio keeps none itself, and one that is not kept may stop in its middle
        task.add_done_callback(self._tasks.discard)

    async def read(self, look: Callable[[Reader], Found]) -> Found:
        """What `look` finds in the store. Raises StoreError, StateError."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._aside.ask(partial(self._look, look))
        except TimeoutError as error:
            raise StoreError(f"the store has not answered for {PATIENCE:g} s") from error

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _replied(self, asked: Asked, request: Request, reply: Reply) -> None:
        try:
            reply(await self._answered(asked, request))
        except asyncio.CancelledError:
            reply(busy("the receiver is ending"))
            raise
        except Exception:  # the one boundary around a question: a bug costs one answer
            log.exception("request=%r state=failed", request.target[:200])
            reply(refused(500, "keeper failed at this; its log says how", close=True))

    async def _answered(self, asked: Asked, request: Request) -> Answer:
        try:
            by_body = request.method == b"POST"
            question = question_of_body(request.body) if by_body else question_of_query(request.query)
        except Malformed as error:
            return refused(400, str(error))
        source = question.source or asked.source
        if source != asked.source and source != self._who(request, source):
            return refused(401, f"{source!r} is not who asks")
        complete = await self._queue.drained(question.wait)
        try:
            return Answer(200, await self.read(lambda reader: answer(question, source, reader, complete=complete)))
        except Malformed as error:
            return refused(400, str(error))
        except (StoreError, StateError) as error:
            log.info("question=unanswered why=%r", str(error))
            return busy("the store is away")

    def _who(self, request: Request, asked: str) -> str | None:
        return self._gate.source(request.headers.get(b"authorization", b""), request.peer, asked)

    def _look(self, look: Callable[[Reader], Found]) -> Found:
        if self._reader is None:
            self._reader = self._open()
        try:
            return look(self._reader)
        except StoreError:
            self._reader.close()
            self._reader = None  # opened anew at the next question
            raise
