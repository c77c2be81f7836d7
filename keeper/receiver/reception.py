"""Where requests become records: read, named, made durable, and only then answered."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from keeper.receiver.aside import Aside
from keeper.receiver.door import Asked, Door, Packets, TooLarge
from keeper.receiver.http_answer import Answer, busy, refused
from keeper.receiver.http_connection import Connection, Reply
from keeper.receiver.http_request import Request
from keeper.receiver.inputs.input import Read
from keeper.receiver.packet import Malformed, Said, pack, packet_of
from keeper.receiver.queues.queue import NotTaken, Queue
from keeper.receiver.spread import DURABLE_BOUNDS, Spreading
from keeper.receiver.traffic import Tally

log = logging.getLogger("keeper")


SMALL = 1 << 18  # bytes of a body that is read where it comes
SMALL_PACKED = 1 << 14


class Looked(NamedTuple):
    """A body, read: the input that did, what it says, and the records of it."""

    name: str
    read: Read
    records: Sequence[bytes]


class Reception:
    """The `Host` of all connections. `ask` answers questions about what is confirmed; `wall` gives seconds since the
    epoch, `now` steady ones."""

    date = b""

    def __init__(
        self,
        door: Door,
        queue: Queue,
        tally: Tally,
        ask: Callable[[Asked, Request, Reply], None],
        described: bytes,
        wall: Callable[[], float],
        now: Callable[[], float],
        *,
        most_connections: int,
        most_pending: int,
    ) -> None:
        self.connections: set[Connection] = set()
        self.turned_away = 0
        self.durable = Spreading(DURABLE_BOUNDS)
        self.pending = 0  # bytes of bodies in memory
        self._door = door
        self._queue = queue
        self._tally = tally
        self._ask = ask
        self._described = described
        self._wall = wall
        self._now = now
        self._aside = Aside("large-bodies")
        self._most_connections = most_connections
        self._most_pending = most_pending

    # -- Host ------------------------------------------------------------------------------------------------------

    def admit(self, request: Request) -> Answer | None:
        plan = self._door.plan(request)
        if isinstance(plan, Answer):
            return plan
        request.plan = plan
        return None

    def serve(self, request: Request, reply: Reply) -> None:
        plan = request.plan
        if isinstance(plan, Packets):
            self._take(plan, request.body, reply)
        elif isinstance(plan, Asked):
            self._ask(plan, request, reply)
        else:
            reply(Answer(200, self._described))

    def reserve(self, size: int) -> bool:
        if self.pending + size > self._most_pending:
            return False
        self.pending += size
        return True

    def weigh(self, size: int) -> bool:
        """As `reserve`, but what is there counts in any case: its connection is cut then, and gives it back."""
        self.pending += size
        return self.pending <= self._most_pending

    def has_room(self, others: int) -> bool:
        """For one connection more, with so many beside those of HTTP."""
        return len(self.connections) + others < self._most_connections

    def release(self, size: int) -> None:
        self.pending -= size

    def answered(self, status: int) -> None:
        self._tally.answered(status)

    def opened(self, connection: Connection) -> bool:
        if not self.has_room(0):
            self.turned_away += 1
            return False
        self.connections.add(connection)
        return True

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)

    # -- packets ---------------------------------------------------------------------------------------------------

    def _take(self, plan: Packets, body: bytes, reply: Reply) -> None:
        at = self._wall()
        if len(body) <= (SMALL_PACKED if plan.packed else SMALL):
            self._keep(plan, self._look(plan, body, at), at, len(body), reply)
            return
        # It takes a second to read megabytes: the loop goes on with others meanwhile.
        looked = self._aside.ask(partial(self._look, plan, body, at))

        def keep(looked: asyncio.Future[Looked | Answer]) -> None:
            if looked.cancelled() or looked.exception() is not None:
                log.error("source=%s state=failed", plan.source, exc_info=looked.exception())
                reply(refused(500, "keeper failed at this; its log says how", close=True))
            else:
                self._keep(plan, looked.result(), at, len(body), reply)

        looked.add_done_callback(keep)

    def _look(self, plan: Packets, body: bytes, at: float) -> Looked | Answer:
        """What is in a body; nothing here is anybody else's, so it may be another thread that looks."""
        try:
            name, read = self._door.read(plan, body, at)
            return Looked(name, read, records(read.packets, plan.source, plan.id, at))
        except TooLarge as error:
            return refused(413, str(error))
        except Malformed as error:
            return refused(400, str(error))

    def _keep(self, plan: Packets, looked: Looked | Answer, at: float, size: int, reply: Reply) -> None:
        if isinstance(looked, Answer):
            reply(looked)
            return
        name, read, made = looked

        def done(failed: NotTaken | None) -> None:
            if failed is None:
                self._tally.took(name, plan.source, at, len(read.packets), _events(read), size, read.wrong)
                reply(Answer(200, _taken(read)))
            elif failed.too_large:
                reply(refused(413, failed.why))
            else:
                reply(busy(failed.why, failed.retry_after, status=429 if failed.full else 503))

        self.put(made, done)

    def put(self, made: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        """Make records durable; then, or when they cannot be, `done` is called."""
        began = self._now()

        def measured(failed: NotTaken | None) -> None:
            if failed is None:
                self.durable.took(self._now() - began)
            done(failed)

        self._queue.put(made, measured)


def records(packets: Sequence[Said], source: str, id: int | None, at: float) -> list[bytes]:
    return [pack(packet_of(said, source, id, at)) for said in packets]


def _events(read: Read) -> int:
    return sum(len(said.events) for said in read.packets)


def _taken(read: Read) -> bytes:
    if not read.wrong:
        return b'{"ok":1,"packets":%d,"events":%d,"wrong":0}' % (len(read.packets), _events(read))
    said = {"ok": 1, "packets": len(read.packets), "events": _events(read), "wrong": read.wrong, "why": [*read.why]}
    return json.dumps(said).encode()


async def sweep(reception: Reception, now: Callable[[], float], date: Callable[[], bytes]) -> None:
    """Once a second: cut connections whose time is over, and tell what day it is."""
    while True:
        reception.date = date()
        at = now()
        for connection in [one for one in reception.connections if one.deadline < at]:
            connection.cut()
        await asyncio.sleep(1.0)
