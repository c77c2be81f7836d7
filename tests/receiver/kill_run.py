"""Senders that do not give up, and a receiver that is killed: what was acknowledged is written down and compared.

    python -m tests.receiver.kill_run FOLDER ROUNDS [OPTION...]

runs it by hand; each OPTION is a line of `[receiver]`.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.peers.ask import eventually
from tests.receiver.receiver_process import ReceiverProcess
from tests.receiver.shapes import SHAPES, key, lines, words_of
from tests.receiver.wire import Answer, Wire

PATIENCE = 5.0  # seconds for an answer; then it is sent again, as every sender does
LATER = (429, 503)  # answers after which a sender tries again
AGAIN = 0.1  # of what was acknowledged is sent once more all the same
BUSY = 0.8  # of the kills come while workers are known to work: they need a moment to start
TWICE = 0.1  # of packets that have an id come under a second one, too: those are two packets


class Way(NamedTuple):
    """How a sender writes packets, and hears of them. `packet` is given its source, words, and a number."""

    packet: Callable[[str, Sequence[str], int], bytes]
    with_ids: bool
    by_tcp: bool = False
    answer: Callable[[Wire], Answer | None] = Wire.answer


def by_http(shape: str, *, with_ids: bool) -> Way:
    def packet(source: str, words: Sequence[str], number: int) -> bytes:
        login = f"Authorization: Bearer secret-{source}"
        return SHAPES[shape](words, login, key(number)) if with_ids else SHAPES[shape](words, login)

    return Way(packet, with_ids)


def by_tcp() -> Way:
    """Batches that end with their id, each confirmed."""

    def answer(wire: Wire) -> Answer | None:
        line = wire.line().decode()
        if not line:
            return None
        word, _, rest = line.split(" ", 2)
        return Answer(200 if word == "OK" else 400 if rest.startswith("never") else 503, {}, line.encode())

    return Way(lambda _, words, number: lines(words) + f"END {number}\n".encode(), True, True, answer)


class Sender:
    """A client with a source and a thread of its own: it sends packets in one shape, each until it hears 200, and then
    remembers it."""

    def __init__(self, source: str, way: Way, address: str, seed: int) -> None:
        self.source = source
        self.acknowledged: Counter[tuple[str, str]] = Counter()  # (source, word), and how often it is to be stored
        self.tries = 0
        self.trouble = ""  # why it gave up: an answer that no sender would know what to do with
        self._way = way
        self._address = address
        self._chance = random.Random(seed)
        self._wire: Wire | None = None
        self._packets = 0

    def run(self, wait: Callable[[float], bool]) -> None:
        """Send until `wait` says that it is time to stop, and finish what is begun."""
        number = 0
        try:
            while not wait(self._chance.random() * 0.003):
                number += 1
                words = [f"word-{self.source}-{number}{event}" for event in range(self._chance.choice((1, 1, 3, 9)))]
                self._deliver(words)
        except AssertionError as error:
            self.trouble = str(error)
        finally:
            self._close()

    def _deliver(self, words: Sequence[str]) -> None:
        named = []
        for _ in range(1 + (self._way.with_ids and self._luck(TWICE))):
            self._packets += 1
            named.append(self._way.packet(self.source, words, self._packets))
        for packet in named:
            self._until_ok(packet)
            self.acknowledged.update((self.source, word) for word in words)
        if self._luck(AGAIN):
            self._until_ok(self._chance.choice(named))

    def _until_ok(self, packet: bytes) -> None:
        end = time.monotonic() + 120.0
        while (answer := self._try(packet)) is None or answer.status in LATER:
            assert time.monotonic() < end, f"not taken for two minutes; last: {answer}"
            time.sleep(0.02)
        assert answer.status == 200, f"{answer}\n{packet!r}"

    def _try(self, packet: bytes) -> Answer | None:
        """None when there is no answer: then the packet may have been taken or not."""
        self.tries += 1
        try:
            if self._wire is None:
                self._wire = Wire(self._address, patience=PATIENCE)
            self._wire.send(packet)
            answer = self._way.answer(self._wire)
        except OSError:  # not there, or nothing comes
            answer = None
        if answer is None or answer.headers.get("connection", "").lower() == "close" or self._luck(0.01):
            self._close()
        return answer

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _luck(self, share: float) -> bool:
        return self._chance.random() < share


WHO = {
    "agent": by_http("thrift", with_ids=True),
    "agentless": by_http("thrift", with_ids=False),
    "shop": by_http("json", with_ids=True),
    "shopless": by_http("gzip", with_ids=False),
    "logs": by_http("lines", with_ids=False),
    "numbered": by_http("lines", with_ids=True),
    "metrics": by_http("put", with_ids=False),
    "wire": by_tcp(),
}
LOGIN = "Bearer secret-agent"


class Result(NamedTuple):
    kills: Counter[str]
    tries: int
    acknowledged: Counter[tuple[str, str]]


class Killed(NamedTuple):
    """One way to die: the receiver, or a part of it, or what it needs, which is started again then."""

    victim: str
    kill: Callable[[ReceiverProcess], object]


def _both(receiver: ReceiverProcess) -> None:
    receiver.kill_workers()
    receiver.kill_server()


def _stop(receiver: ReceiverProcess) -> None:
    assert receiver.stop() == 0, receiver.tail()


WAYS = (
    Killed("server", ReceiverProcess.kill_server),
    Killed("workers", ReceiverProcess.kill_workers),
    Killed("workers and server", _both),
    Killed("the group", ReceiverProcess.kill),
    Killed("orderly stop", _stop),
)


def sources() -> str:
    """The sections of all senders. By TCP no secret can be said."""
    secret = [f"[source:{name}]\ntoken = secret-{name}\n" for name, way in WHO.items() if not way.by_tcp]
    return "\n".join([*secret, "[source:wire]\naddresses = 127.0.0.1\n"])


def kill_run(receiver: ReceiverProcess, rounds: int, seed: int, ways: Sequence[Killed] = WAYS) -> Result:
    """Start it, send, kill it `rounds` times, in each of the `ways` if there are as many, let it drain and end in an
    orderly way. AssertionError when the store does not hold exactly what was acknowledged, or something was set aside.
    """
    chance = random.Random(seed)
    stop = threading.Event()
    receiver.start()
    senders = [
        Sender(name, way, receiver.lines_address if way.by_tcp else receiver.address, chance.randrange(2**32))
        for name, way in WHO.items()
    ]
    threads = [threading.Thread(target=sender.run, args=(stop.wait,), daemon=True) for sender in senders]
    for thread in threads:
        thread.start()
    kills: Counter[str] = Counter()
    try:
        before = 0
        for way in in_turn(ways, rounds, chance):
            if chance.random() < BUSY:
                eventually(lambda before=before: stored(receiver) > before, "workers to store", 60)  # type: ignore[misc]
            time.sleep(chance.choice((0.01, 0.1, 0.5)) * chance.random())
            before = stored(receiver)
            way.kill(receiver)
            kills[way.victim] += 1
            if not receiver.running():  # as systemd would
                receiver.start()
                before = 0
            gave_up(senders)
    finally:
        stop.set()
        for thread in threads:
            thread.join(130.0)
    gave_up(senders)
    receiver.drain(deadline=200.0)  # JetStream waits 30 s for a worker that was killed, twice or thrice in a row
    dead = receiver.status()["dead_records"]
    assert receiver.stop() == 0
    assert dead == 0, f"{dead} records were set aside\n{receiver.tail()}"
    acknowledged = sum((sender.acknowledged for sender in senders), Counter[tuple[str, str]]())
    compare(acknowledged, words_of(receiver.rows()))
    return Result(kills, sum(sender.tries for sender in senders), acknowledged)


def stored(receiver: ReceiverProcess) -> int:
    """Packets that the workers have brought to the store in this life of the server."""
    return sum(worker["fresh"] + worker["repeated"] for worker in receiver.status()["workers"])


def in_turn(ways: Sequence[Killed], rounds: int, chance: random.Random) -> Iterator[Killed]:
    """All of them in a new order, again and again."""
    while rounds > 0:
        some = chance.sample(ways, min(rounds, len(ways)))
        rounds -= len(some)
        yield from some


def gave_up(senders: Sequence[Sender]) -> None:
    trouble = [f"{sender.source}: {sender.trouble}" for sender in senders if sender.trouble]
    assert not trouble, trouble


def compare(acknowledged: Counter[tuple[str, str]], stored: Counter[tuple[str, str]]) -> None:
    """Exactly once."""
    lost, doubled = acknowledged - stored, stored - acknowledged
    assert not lost, f"{lost.total()} of {acknowledged.total()} lost: {sorted(lost)[:10]}"
    assert not doubled, f"{doubled.total()} beside {acknowledged.total()} doubled: {sorted(doubled)[:10]}"


def main() -> None:
    folder, rounds, options = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with ReceiverProcess(folder, "lines_confirm = yes", *options, sections=sources(), login=LOGIN) as receiver:
        eventually(receiver.running, "it to run")
        receiver.kill()
        result = kill_run(receiver, rounds, seed)
    print(f"{time.monotonic() - began:.0f} s, {result.tries} tries, {result.acknowledged.total()} events acknowledged")
    print(", ".join(f"{victim} {count}" for victim, count in result.kills.items()))
    print("0 lost, 0 doubled")


if __name__ == "__main__":
    main()
