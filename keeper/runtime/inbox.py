"""The one queue between the source threads and the loop: bounded, and both kinds of fullness are honest.

A log waits (its file keeps the lines meanwhile), an answer of an API does not: the newest answer is worth more than a
queue of old ones, so it is dropped and counted.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from keeper.core.batch import Answers, Chunk, Item

INBOX_ITEMS = 256  # chunks of at most 1 MiB: the logs' share of memory is bounded by the sources, see file_tail
TAKEN_ITEMS = 64  # at a time, and no more bytes than this: a turn of the loop must end
TAKEN_BYTES = 8 << 20
# Seconds the loop lets pass after it took something: where 200 logs speak, it wakes a hundred times a second instead of
# two thousand times. The first line after a silence is taken at once.
GATHER = 0.01
INBOX_CALLS = 10_000  # signals and delivery reports; the oldest report is forgotten, its notice is sent again


class Posted(NamedTuple):
    """An item with the subject and the source it tells of, and who posted it."""

    subject: str
    source: str
    item: Item
    poster: Poster


Call = Callable[[], None]


class Poster:
    """Hands over the items of one source. Once closed, none of its items counts, also of those that wait already: the
    source that takes its place begins where the loop has come to."""

    def __init__(self, inbox: Inbox, subject: str, source: str) -> None:
        self.closed = False
        self._inbox = inbox
        self._subject = subject
        self._source = source

    def __call__(self, item: Item) -> None:
        self._inbox.post(Posted(self._subject, self._source, item, self))

    def close(self) -> None:
        self.closed = True


class Inbox:
    """`dropped(subject)` is told of every answer that found the queue full."""

    def __init__(self, dropped: Callable[[str], None]) -> None:
        self._queue: queue.Queue[Posted | None] = queue.Queue(INBOX_ITEMS)
        self._calls: deque[Call] = deque(maxlen=INBOX_CALLS)
        self._dropped = dropped
        self._closed = False
        self._took = False
        self._gather = threading.Event()  # never set: waiting for it is resting

    def __len__(self) -> int:
        return self._queue.qsize()

    def poster(self, subject: str, source: str) -> Poster:
        """What a source is given to hand over its items."""
        return Poster(self, subject, source)

    def post(self, posted: Posted) -> None:
        """Queue an item; a log waits for its place, unless it is not wanted any more."""
        if isinstance(posted.item, Answers):
            try:
                self._queue.put_nowait(posted)
            except queue.Full:
                self._dropped(posted.subject)
            return
        while not (self._closed or posted.poster.closed):
            try:
                self._queue.put(posted, timeout=0.5)
                return
            except queue.Full:
                continue

    def call_later(self, todo: Call) -> None:
        """Have the loop call something at its next turn, at the latest when it has slept. Takes no lock: for signal
        handlers, which run in the loop's own thread and may have interrupted it while it holds the queue's."""
        self._calls.append(todo)

    def call(self, todo: Call) -> None:
        """Have the loop call something now, between two items. Never waits."""
        self._calls.append(todo)
        try:
            self._queue.put_nowait(None)  # only to wake the loop; a full queue is awake
        except queue.Full:
            return

    def close(self) -> None:
        """Let posters go: nobody takes items any more."""
        self._closed = True

    def take(self, timeout: float) -> tuple[list[Call], list[Posted]]:
        """Wait up to `timeout` seconds for something, then take what is there, up to TAKEN_ITEMS and TAKEN_BYTES."""
        if self._took and timeout > 0:
            self._gather.wait(min(GATHER, timeout))
        items: list[Posted] = []
        size = 0
        try:
            one = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
            while True:
                if one is not None:
                    items.append(one)
                    size += len(one.item.data) if isinstance(one.item, Chunk) else 0
                if len(items) >= TAKEN_ITEMS or size >= TAKEN_BYTES:
                    break
                one = self._queue.get_nowait()
        except queue.Empty:
            pass
        self._took = bool(items)
        calls = []
        while self._calls:
            calls.append(self._calls.popleft())
        return calls, items
