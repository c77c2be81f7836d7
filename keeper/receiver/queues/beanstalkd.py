"""beanstalkd as the queue: one job a record. An answer to a put is durable only with `-b DIR -f 0`.

It does one fsync a put, and nothing makes several puts one. A few connections, a thread each, keep it busy. Records of
one put may be in part in the queue when one is refused: then all are sent again, and stores keep each packet once.

After one failed write to its binlog beanstalkd (1.12) goes on in memory alone and says INSERTED to every put. So the
last job of a few puts is looked at before they are confirmed: it says in which file of the binlog it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import greenstalk

from keeper.core.backoff import delay
from keeper.core.source import Now, Wait
from keeper.errors import SourceError, StateError
from keeper.receiver.queues.beanstalkd_line import TTR, WRONG, Line, Site, said
from keeper.receiver.queues.queue import Depth, NotTaken
from keeper.receiver.queues.wrap import too_large, wrap
from keeper.runtime.watch import Thread

LINES = 2  # connections that put: while one waits for the disk, the other's next job is there
GROUP = 8  # puts of a line that are confirmed together, at most
LONGEST_REST = 10.0  # seconds between looks while it is away
MOST_WAITING = 10_000  # records in memory for a line: about two seconds
MOST_WAITING_BYTES = 32 << 20
CURE = "start beanstalkd with a larger -z, or send smaller packets"
SPOILED = "failed to write its binlog and keeps jobs in memory only since: restart it"


class Put(NamedTuple):
    """Records on their way."""

    records: Sequence[bytes]
    size: int
    done: Callable[[NotTaken | None], None]


class BeanstalkdQueue:
    """The server's end. `most_bytes` is what may wait for workers. beanstalkd does not know bytes: they are estimated
    from its count and the mean size of what was put since the start."""

    def __init__(self, site: Site, most_bytes: int, now: Now, failed: Callable[[str], None]) -> None:
        self._now = now
        self._failed = failed
        self._site = site
        self._most_bytes = most_bytes
        self._work: queue.SimpleQueue[Put | None] = queue.SimpleQueue()
        self._threads: list[Thread] = []
        self._closing = threading.Event()
        self._wake = threading.Event()  # the watch looks now
        self._watched = Line(site)
        self._asked = self._seen = 0  # looks that drained() asked for; those done
        self._largest = 0  # bytes of a job
        self._instance = self._spoiled = ""  # of beanstalkd since it was started; the one that lost its binlog
        self._trouble = "not open"
        self._depth = Depth(0, 0, None)
        self._waiting = self._waiting_bytes = 0
        self._put = self._put_bytes = 0

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(None, self._look)
        lines = [Thread(f"queue/line{number}", self._carry, self._failed) for number in range(LINES)]
        self._threads = [Thread("queue/watch", self._watch, self._failed), *lines]
        for thread in self._threads:
            thread.start()

    def put(self, records: Sequence[bytes], done: Callable[[NotTaken | None], None]) -> None:
        refused = self._refusal()
        if refused is not None or not records:
            self._loop.call_soon(done, refused)
            return
        put = Put(records, sum(map(len, records)), done)
        self._waiting += len(records)
        self._waiting_bytes += put.size
        self._work.put(put)

    def _refusal(self) -> NotTaken | None:
        if self._trouble or self._closing.is_set():
            return NotTaken(self._trouble or "the receiver ends", 5.0)
        if self._waiting >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES:
            return NotTaken(f"{self._site} is slow: {self._waiting} records wait for it", 2.0, full=True)
        depth = self.depth()
        if depth.bytes + self._waiting_bytes >= self._most_bytes:
            return NotTaken(f"{depth.records} records wait for workers, queue_bytes is reached", 10.0, full=True)
        return None

    def depth(self) -> Depth:
        mean = self._put_bytes / max(self._put, 1)
        return self._depth._replace(bytes=round(self._depth.records * mean), trouble=self._trouble)

    async def drained(self, wait: float) -> bool:
        """beanstalkd cannot tell what was there from what came meanwhile: True when there is nothing at all."""
        end = self._loop.time() + wait
        self._asked += 1
        asked = self._asked
        while True:
            if self._seen >= asked and not self._depth.records:
                return True
            if self._loop.time() >= end and (self._seen >= asked or self._trouble):
                return False
            if not self._trouble:
                self._wake.set()
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        self._closing.set()
        self._wake.set()
        for _ in range(LINES):
            self._work.put(None)  # behind all that waits
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join, LONGEST_REST)

    # -- in threads ------------------------------------------------------------------------------------------------

    def _carry(self, _: Wait) -> None:
        """Puts, one after the other."""
        line = Line(self._site)
        while group := self._group():
            for put, refused in zip(group, self._deliver(line, group), strict=True):
                self._loop.call_soon_threadsafe(self._answer, put, refused)
        line.hang_up()

    def _group(self) -> list[Put]:
        """What waits, at least one; empty at the end."""
        group: list[Put] = []
        while len(group) < GROUP and (not group or not self._work.empty()):
            try:
                put = self._work.get(block=not group)
            except queue.Empty:  # another line was faster
                break
            if put is None:
                if group:
                    self._work.put(None)  # the end, but not yet
                break
            group.append(put)
        return group

    def _answer(self, put: Put, refused: NotTaken | None) -> None:
        self._waiting -= len(put.records)
        self._waiting_bytes -= put.size
        if refused is None:
            self._put += len(put.records)
            self._put_bytes += put.size
        put.done(refused)

    def _deliver(self, line: Line, group: Sequence[Put]) -> list[NotTaken | None]:
        """What came of each."""
        answers: list[NotTaken | None] = []
        try:
            if self._trouble:
                raise SourceError(self._trouble)
            if line.client is None:
                self._check(line.dial().stats())
            client = line.dial()
            ids: list[int] = []
            answers += [self._insert(client, put.records, ids) for put in group]
            self._verify(client, ids)
            return answers
        except greenstalk.OutOfMemoryError:
            refused = NotTaken(f"{self._site} has no memory, or no room for its binlog", 10.0, full=True)
        except (*WRONG, StateError, SourceError) as error:
            line.hang_up()
            self._trouble = said(self._site, error)
            self._wake.set()  # the watch finds out whether it is so
            refused = NotTaken(self._trouble, 5.0)
        return [answer or refused for answer in answers or [None] * len(group)]

    def _insert(self, client: greenstalk.Client[bytes], records: Sequence[bytes], ids: list[int]) -> NotTaken | None:
        messages = []
        for record in records:
            message = wrap(record, self._largest)
            if message is None:
                return NotTaken(too_large(record, self._largest, CURE), 0.0, too_large=True)
            messages.append(message)
        ids += [client.put(message, ttr=TTR) for message in messages]
        return None

    def _verify(self, client: greenstalk.Client[bytes], ids: Sequence[int]) -> None:
        """The last job that is still there stands in the binlog, so all before it do. Raises StateError."""
        for id in reversed(ids):
            with contextlib.suppress(greenstalk.NotFoundError):  # a worker is done with it already
                if not client.stats_job(id)["file"]:
                    self._spoiled = self._instance
                    raise StateError(f"{self._site} {SPOILED}")
                return

    def _watch(self, _: Wait) -> None:
        """How it stands, once a second."""
        failures = 0
        while not self._closing.is_set():
            rest = 1.0 if not failures else delay(failures, random.random(), longest=LONGEST_REST)  # noqa: S311  # no secret
            self._wake.wait(rest)
            self._wake.clear()
            try:
                self._look()
            except StateError as error:
                self._trouble = str(error)
            failures = failures + 1 if self._trouble else 0
        self._watched.hang_up()

    def _look(self) -> None:
        """Set trouble, limits and depth. Raises StateError when it keeps nothing on disk."""
        asked = self._asked
        for old in (self._watched.client is not None, False):
            try:
                client = self._watched.dial()
                self._depth = self._deep(client)
                self._seen = asked
                self._check(client.stats())
                self._trouble = ""
                return
            except StateError:
                self._watched.hang_up()
                raise
            except (*WRONG, SourceError) as error:
                self._watched.hang_up()
                if not old:  # else it was perhaps just restarted, which is no trouble
                    self._trouble = said(self._site, error)
                    return

    def _check(self, stats: greenstalk.Stats) -> None:
        """Raises StateError without a binlog, as nothing would be durable then; SourceError while it drains."""
        self._instance = stats["id"]
        if not stats["binlog-current-index"]:
            raise StateError(f"{self._site} keeps jobs in memory only: start it with -b DIR -f 0")
        if self._instance == self._spoiled:
            raise StateError(f"{self._site} {SPOILED}")
        if stats["draining"] == "true":
            raise SourceError(f"{self._site} takes no more jobs: it drains")
        self._largest = stats["max-job-size"]

    def _deep(self, client: greenstalk.Client[bytes]) -> Depth:
        """The oldest is of those that no worker has; None when workers have all."""
        tube = client.stats_tube(self._site.tube)
        states = ("ready", "reserved", "delayed", "buried")
        records = sum(tube[f"current-jobs-{state}"] for state in states)  # type: ignore[literal-required]
        oldest = None
        if tube["current-jobs-ready"]:
            with contextlib.suppress(greenstalk.NotFoundError):  # just taken, and done
                oldest = self._now() - client.stats_job(client.peek_ready())["age"]
        return Depth(records, 0, oldest)
