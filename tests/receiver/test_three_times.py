"""Everything is sent three times, from three clients at once, by different inputs and connections: stored once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.receiver.receiver_process import ReceiverProcess
from tests.receiver.shapes import in_json, in_lines, in_packed_json, in_put, in_thrift, key, words_of
from tests.receiver.wire import Wire

PACKETS = 150  # of each kind
SOURCES = "[source:all]\ntoken = secret-all\n\n[source:other]\ntoken = secret-other\n"
LOGIN = "Authorization: Bearer secret-all"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverProcess]:
    with ReceiverProcess(
        tmp_path, "workers = 2", "lines_listen =", sections=SOURCES, login=LOGIN.partition(": ")[2]
    ) as running:
        yield running


class Sent(NamedTuple):
    """One packet in the three ways it is sent, and how often each word is to be stored of it."""

    requests: Sequence[bytes]
    words: Sequence[str]
    times: int = 1


def packets() -> Iterator[Sent]:
    """Of each kind that there is."""
    for number in range(PACKETS):
        words = [f"word-{{}}-{number}{event}" for event in range(1 + number % 3)]

        def of(kind: str, words: Sequence[str] = words) -> list[str]:
            return [word.format(kind) for word in words]

        shapes = (in_json, in_packed_json, in_thrift)
        yield Sent([shape(of("named"), LOGIN, key(number)) for shape in shapes], of("named"))
        yield Sent([shape(of("nameless"), LOGIN) for shape in shapes], of("nameless"))
        # Once without an id, as a resend from a log of long ago that had none, and it is the same packet all the same.
        some = [in_json(of("half"), LOGIN, key(10_000 + number)), in_thrift(of("half"), LOGIN)]
        yield Sent([*some, in_packed_json(of("half"), LOGIN, key(10_000 + number))], of("half"))
        yield Sent([in_lines(of("line"), LOGIN)] * 3, of("line"))
        yield Sent([in_put(of("put"), LOGIN)] * 3, of("put"))
        # An id that comes with three contents names three packets: none of them is lost.
        other = [f"word-returned-{number}{event}" for event in range(3)]
        yield Sent([in_json([word], LOGIN, key(20_000 + number)) for word in other], other)
        # A content that comes with three ids is three packets.
        yield Sent([in_json(of("again"), LOGIN, key(30_000 + 3 * number + n)) for n in range(3)], of("again"), 3)


def client(address: str, requests: Sequence[bytes]) -> Counter[int]:
    """Send it all over one connection, several before the first answer is there, and count the answers."""
    answers: Counter[int] = Counter()
    with Wire(address) as wire:
        for some in _by_eight(requests):
            wire.send(b"".join(some))
            for _ in some:
                answer = wire.answer()
                assert answer is not None
                answers[answer.status] += 1
    return answers


def _by_eight(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (values[begin : begin + 8] for begin in range(0, len(values), 8))


def at_once(calls: Sequence[Callable[[], Counter[int]]]) -> Counter[int]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return sum((done.result() for done in [pool.submit(call) for call in calls]), Counter[int]())


def test_sent_three_times_and_stored_once(receiver: ReceiverProcess, seed: int) -> None:
    """As JSON, as packed JSON and as Thrift, with and without ids, lines and put lines; each client in an order of its
    own, and halfway the receiver starts anew. What came before it and after it is the same once."""
    chance = random.Random(seed)
    sent = list(packets())
    orders = []
    for number in range(3):
        order = [packet.requests[number] for packet in sent]
        chance.shuffle(order)
        orders.append(order)
    answers: Counter[int] = Counter()
    middle = len(sent) // 2
    for part in (slice(None, middle), slice(middle, None)):
        calls = [lambda order=order[part]: client(receiver.address, order) for order in orders]
        answers += at_once(calls)
        receiver.stop()
        receiver.start()
    assert answers == {200: 3 * len(sent)}
    receiver.drain()
    assert receiver.status()["dead_records"] == 0
    receiver.stop()
    stored = words_of(receiver.rows())
    expected = Counter({("all", word): packet.times for packet in sent for word in packet.words})
    assert stored == expected


def test_the_same_from_another_source_is_another(receiver: ReceiverProcess) -> None:
    """Two sources may use the same ids, and send the same."""
    for name in ("all", "other", "all"):
        packet = in_json(["word-shared-1"], f"Authorization: Bearer secret-{name}", key(1))
        assert client(receiver.address, [packet]) == {200: 1}
    receiver.drain()
    receiver.stop()
    assert words_of(receiver.rows()) == {("all", "word-shared-1"): 1, ("other", "word-shared-1"): 1}
