"""Load for a receiver: many connections, each with one request on its way, every body another.

    python -m bench.load ADDRESS [--shape SHAPE] [--connections N] [--seconds S | --total N] [--fresh] [--core N]

Each connection sends its next request when it has the answer to the last one, as clients do that wait for a word.
Prints JSON (`Load`) when it is over. It is a program of its own so that it can have a processor core of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import struct
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

DATE = "2026-11-26"
TEXT = "block 183002944 by eosriobrazil took 12 ms, 31 transactions, cpu 4210 us, net 3112 B; " * 16
LATENCIES = 4_000_000  # kept at most

Shape = Callable[[int, int], bytes]  # the number of a request and the size of its body → the request


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of it. Times in seconds; `answers` by status, `broken` are connections that ended in a request."""

    requests: int
    seconds: float
    rate: float
    answers: dict[str, int]
    broken: int
    cpu: float  # of this program
    p50: float
    p95: float
    p99: float
    longest: float


def lines(number: int, size: int) -> bytes:
    """One line PROD DATE DATA."""
    head = b"eosriobrazil %b %012d " % (DATE.encode(), number)
    return _post(b"/log/blocks", b"text/plain", b"", head + _TEXT[: size - len(head) - 1] + b"\n")


def packet_json(number: int, size: int) -> bytes:
    """One event, with the packet's id."""
    head = b'{"ChatMessages":[{"auid":%d,"channel":"all","timestamp":1795600000,"message":"' % number
    body = head + _TEXT[: size - len(head) - 4] + b'"}]}'
    return _post(b"/", b"application/json", b'Idempotency-Key: "bench/%d/"\r\n' % number, body)


def packet_thrift(number: int, size: int) -> bytes:
    """The same event as the agent writes it."""
    text = _TEXT[: size - len(_THRIFT % (b"\0" * 8, b"\0" * 4, b""))]
    body = _THRIFT % (struct.pack(">q", number), struct.pack(">i", len(text)), text)
    return _post(b"/", b"application/x-thrift", b'Idempotency-Key: "bench/%d/"\r\n' % number, body)


def twenty_events(number: int, size: int) -> bytes:
    """A packet as the agent's usually are: of 20 events, together of this size."""
    text = _TEXT[: max(size // 20 - 75, 1)]
    one = b'{"auid":%d,"channel":"all","timestamp":1795600000,"message":"%b"}'
    body = b'{"ChatMessages":[' + b",".join([one % (number * 20 + event, text) for event in range(20)]) + b"]}"
    return _post(b"/", b"application/json", b'Idempotency-Key: "bench/%d/"\r\n' % number, body)


SHAPES: dict[str, Shape] = {"lines": lines, "json": packet_json, "thrift": packet_thrift, "twenty": twenty_events}

_TEXT = TEXT.encode()
# A CALL of ChatMessages(1: [ChatMessageInfo(1: auid, 2: timestamp, 3: channel, 4: message)]), sequence id 0.
_THRIFT = (
    b"\x80\x01\x00\x01\x00\x00\x00\x0cChatMessages\x00\x00\x00\x00\x0f\x00\x01\x0c\x00\x00\x00\x01"
    b"\x0a\x00\x01%b\x08\x00\x02\x6b\x06\xad\xc0\x0b\x00\x03\x00\x00\x00\x03all\x0b\x00\x04%b%b\x00\x00"
)


def _post(path: bytes, kind: bytes, more: bytes, body: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: keeper\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, kind, more, len(body)) + body


class Run:
    """What all connections share: which request is next, and what came back."""

    def __init__(self, shape: Shape, size: int, first: int, total: int | None, until: float, over: Callable[[], None]):
        self._shape = shape
        self._size = size
        self._next = first
        self._left = sys.maxsize if total is None else total
        self._until = until
        self._over = over
        self.latencies = array("d")
        self.answers: Counter[bytes] = Counter()
        self.broken = 0
        self.open = 0

    def request(self) -> bytes | None:
        """The next one, None when it is over."""
        if self._left <= 0 or time.perf_counter() >= self._until:
            return None
        self._left -= 1
        self._next += 1
        return self._shape(self._next, self._size)

    def answered(self, status: bytes, seconds: float) -> None:
        self.answers[status] += 1
        if len(self.latencies) < LATENCIES:
            self.latencies.append(seconds)

    def closed(self, waiting: bool) -> None:
        self.broken += waiting
        self.open -= 1
        if not self.open:
            self._over()


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: Run, heads: dict[bytes, tuple[bytes, int]], again: Callable[[], None] | None) -> None:
        self._run = run
        self._heads = heads  # heads of answers seen → status, length of the whole answer
        self._again = again  # makes the next connection where each request has one of its own
        self._sent = 0.0  # 0: nothing is on its way
        self._got = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._got:
            data = self._got + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._got = data
            return
        head = data[:end]
        if head not in self._heads:
            self._heads[head] = read_head(head)
        status, whole = self._heads[head]
        if len(data) < whole:
            self._got = data
            return
        self._got = b""
        self._run.answered(status, time.perf_counter() - self._sent)
        self._sent = 0.0
        if self._again is None:
            self._ask()
        else:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if self._again is not None and not self._sent:
            self._again()
        else:
            self._run.closed(bool(self._sent))

    def _ask(self) -> None:
        request = self._run.request()
        if request is None:
            self._again = None
            self._transport.abort()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def read_head(head: bytes) -> tuple[bytes, int]:
    """The status of an answer, and how long all of it is."""
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return head[9:12], len(head) + 4 + int(line[15:])
    raise ValueError(f"an answer without a length: {head!r}")


async def load(
    address: str,
    shape: Shape,
    *,
    connections: int,
    size: int = 1024,
    first: int = 0,
    seconds: float = 5.0,
    total: int | None = None,
    fresh: bool = False,
) -> Load:
    """Send for so many seconds, or so many requests; with `fresh` each over a connection of its own. Request numbers,
    and so bodies and ids, count up from `first`."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    began, used = time.perf_counter(), time.process_time()
    run = Run(shape, size, first, total, began + seconds if total is None else float("inf"), over.set)
    heads: dict[bytes, tuple[bytes, int]] = {}
    tasks: set[asyncio.Task[Any]] = set()

    def again() -> None:
        task = loop.create_task(connect())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def connect() -> None:
        try:
            await loop.create_connection(lambda: Client(run, heads, again if fresh else None), host, int(port))
        except OSError:
            run.closed(waiting=True)

    run.open = connections
    await asyncio.gather(*[connect() for _ in range(connections)])
    await over.wait()
    took = time.perf_counter() - began
    ordered = sorted(run.latencies) or [0.0]
    return Load(
        requests=sum(run.answers.values()),
        seconds=took,
        rate=sum(run.answers.values()) / took,
        answers={status.decode(): count for status, count in sorted(run.answers.items())},
        broken=run.broken,
        cpu=time.process_time() - used,
        p50=ordered[len(ordered) // 2],
        p95=ordered[int(len(ordered) * 0.95)],
        p99=ordered[int(len(ordered) * 0.99)],
        longest=ordered[-1],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--shape", choices=SHAPES, default="lines")
    parser.add_argument("--size", type=int, default=1024, help="bytes of each body")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--total", type=int, help="send so many requests instead")
    parser.add_argument("--first", type=int, default=0, help="the number before the first packet's")
    parser.add_argument("--fresh", action="store_true", help="a new connection for each request")
    parser.add_argument("--core", type=int, help="run on this processor core alone")
    args = parser.parse_args()
    if args.core is not None:
        os.sched_setaffinity(0, {args.core})
    gc.disable()  # nothing here goes round in circles, and a pause would be counted as the server's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(
            load(
                args.address,
                SHAPES[args.shape],
                connections=args.connections,
                size=args.size,
                first=args.first,
                seconds=args.seconds,
                total=args.total,
                fresh=args.fresh,
            )
        )
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
