"""The log of a busy statistics agent, packed as logrotate packs it, and what of it was not delivered.

    python -m bench.statistic_log LOG.gz TRUTH MINUTES [--seed N] [--start MINUTE] [--unanswered N] [--quickly]

A few minutes are made up at random; the log is these again and again, each time with times and packet ids of its own.
So little is held, and the same seed makes the same log. A minute is 7 MB: 340 lines a second, 8 of them packets with 20
events each. TRUTH gets a line `id type code` for each packet that was not delivered, in order of sending;
the code is `-` for one that was not answered.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from isal import isal_zlib

from keeper.formats.pyrepr import Struct
from tests.delivery.python2 import Long, python2_repr

START = datetime(2015, 1, 23, 15, 47)  # noqa: DTZ001  # the log has no zone
STAMP = f"[{START:%Y-%m-%d %H:%M}:"
MADE_UP = 16  # minutes
SECONDS = 60  # of each
PACKETS = 8  # of each second, and events of each packet, as in bench/resend.py
EVENTS = (8, 32)
FIRST_ID = 400_000_000  # so all ids are equally long
LOST = 4  # packets of a minute: 0.8 %
CODES = ("599", "599", "599", "503", "500", "-", "-", "-")  # of what is lost; `-` is no answer

TYPES = {
    "LoginUsers": (
        "LoginInfo",
        "auid nick server cluster timestamp ip faction factionselected isdeveloper locale guildid guildshortname"
        " guildfullname leaverpoints isleaver",
    ),
    "ChatMessages": ("ChatMessageInfo", "auid timestamp channel message"),
    "TalentChange": ("TalentChangeInfo", "auid talent operation timestamp data"),
    "ResourceChange": ("ResourceChangeInfo", "auid timestamp resources delta reason"),
    "ClientPing": ("ClientPingInfo", "auid timestamp ip ping server"),
    "MoveHeroToBath": ("HeroInfo", "auid timestamp hero slot"),
    "JoinPvpSession": ("SessionInfo", "auid timestamp session server faction hero rating"),
    "CastleLevelChange": ("CastleInfo", "auid timestamp level delta resources"),
}
WORDS = (
    "привет", "дай", "пройти", "кто", "в", "замок", "продам", "щит", "+5", "go", "gg", "ну", "где", "все", ":)"
)  # fmt: skip
RARE = ("it's", '"мы"', "[clan]", "(2)")
TRACEBACK = 'Uncaught exception\nTraceback (most recent call last):\n  File "/opt/agent.py", line 5, in x\nKeyError: 7'
NUMBERS = {"timestamp": 2_000_000, "ping": 900, "level": 60, "rating": 2_900, "slot": 9, "operation": 4, "hero": 99}
RESOURCES = ("Gold", "Silver", "Perl", "RedPerl", "Population", "Resource1", "Resource2", "Resource3", "Shard")

Put = Callable[[bytes], object]
Opened = Callable[[Path], AbstractContextManager[Put]]

_HELD = re.compile(rb"\0(\d+)\0")  # the number of a packet, where its id belongs


class Minute(NamedTuple):
    """A minute of log. Between two of `parts` belongs the id of a packet, the one that `numbers` says. `lost` are
    number, type and code of what was not delivered."""

    parts: list[bytes]
    numbers: list[int]
    lost: list[tuple[int, str, str]]

    def text(self, minute: datetime, first_id: int) -> bytes:
        """The same minute at another time and with other ids."""
        ids = [b"%d" % number for number in range(first_id, first_id + PACKETS * SECONDS)]
        woven = [b""] * (len(self.parts) + len(self.numbers))
        woven[::2] = self.parts
        woven[1::2] = [ids[number] for number in self.numbers]
        return b"".join(woven).replace(STAMP.encode(), f"[{minute:%Y-%m-%d %H:%M}:".encode())


def minutes(seed: int, count: int, lost: int, codes: Sequence[str]) -> list[Minute]:
    chance = random.Random(seed)
    return [_made_up(chance, lost, codes) for _ in range(count)]


def _made_up(chance: random.Random, lost: int, codes: Sequence[str]) -> Minute:
    fates = {number: chance.choice(codes) for number in chance.sample(range(PACKETS * SECONDS), lost)}
    lines: list[tuple[int, str]] = []  # milliseconds of the minute, and the text behind the time
    keys = []
    for number in range(PACKETS * SECONDS):
        keys.append(chance.choice(list(TYPES)))
        lines += _packet(chance, number, keys[-1], fates.get(number, "200"))
    lines.sort(key=lambda line: line[0])
    text = "".join(f"{STAMP}{at // 1000:02},{at % 1000:03} {line}\n" for at, line in lines)
    split = _HELD.split(text.encode())
    return Minute(split[::2], [int(number) for number in split[1::2]], [(n, keys[n], fates[n]) for n in sorted(fates)])


def _packet(chance: random.Random, number: int, key: str, code: str) -> Iterator[tuple[int, str]]:
    """The lines of one packet: how its events came in, and how it went out on the next tick."""
    tick = 1000 * (number // PACKETS) + 900 + 8 * (number % PACKETS)
    name, fields = TYPES[key]
    events = [{field: _value(chance, field) for field in fields.split()} for _ in range(chance.randint(*EVENTS))]
    for event in events:
        named = {field.encode(): value for field, value in event.items()}  # Python 2's names are bytes
        came, post = tick - chance.randrange(900), chance.randrange(10**6)
        if chance.random() < 0.25:
            yield came, f"INFO] Stats Post Params: {{'packet_id': ['{post}']}}"
        if chance.random() < 0.75:
            yield came, f"INFO] Packet #{post}: Stats body: {json.dumps({key: [event]}, default=_plain)}"
        yield came, f"INFO] to add: key u'{key}', args {python2_repr(named)}"
    if chance.random() < 0.02:
        yield tick, f"WARNING] Duplicate packet #{chance.randrange(10**6)}, body {{}}"
    if chance.random() < 0.002:
        yield tick, f"ERROR] {TRACEBACK}"
    data = python2_repr([Struct(name, event) for event in events])
    yield tick, f"INFO] sendThrift LIST: key='{key}', data={data}, packet_id=\0{number}\0"
    if number % PACKETS == PACKETS - 1:
        yield tick + 1, f"INFO] sendThrift timing: list sends {chance.random():.3f}"
    if code != "-":
        took = chance.expovariate(30)
        answered = min(1000 * SECONDS - 1, tick + 1 + round(1000 * took))
        head = f"INFO] onSendThriftHttpResponse: key='{key}', packet_id=\0{number}\0, response="
        yield answered, head + _response(chance, code, took)


def _response(chance: random.Random, code: str, took: float) -> str:
    """As newer Tornados print it."""
    error = "None" if code == "200" else f"HTTPError('HTTP {code}: Timeout',)"
    body, headers, request = (f"0x7f2c{chance.getrandbits(32):08x}" for _ in range(3))
    return (
        f"HTTPResponse(_body=None,_error_is_response_code=False,buffer=<_io.BytesIO object at {body}>,code={code},"
        f"effective_url='http://sstat.example:8080/',error={error},headers=<tornado.httputil.HTTPHeaders object at "
        f"{headers}>,reason='OK',request=<tornado.httpclient.HTTPRequest object at {request}>,"
        f"request_time={took:.6f},time_info={{}})"
    )


def _value(chance: random.Random, field: str) -> Any:
    if field in ("auid", "guildid", "session"):
        return Long(chance.getrandbits(40))
    if field in ("message", "nick", "guildfullname", "data"):
        words = chance.choices(WORDS, k=chance.randrange(1, 12 if field == "message" else 4))
        return " ".join([*words, chance.choice(RARE)] if chance.random() < 0.02 else words).encode()
    if field in ("factionselected", "isdeveloper", "isleaver"):
        return chance.random() < 0.5
    if field == "talent":
        return Struct("TalentInfo", {"classId": chance.randrange(99), "instanceId": Long(chance.getrandbits(40))})
    if field == "resources":
        return Struct("ResourceTable", {name: chance.randrange(99_999) for name in RESOURCES})
    if field == "ip":
        return b"10.%d.%d.%d" % (chance.randrange(256), chance.randrange(256), chance.randrange(256))
    if field == "delta":
        return chance.randrange(-9_999, 9_999)
    if field in NUMBERS:
        return chance.randrange(NUMBERS[field]) + (1_421_000_000 if field == "timestamp" else 0)
    return b"%s-%d" % (field.encode(), chance.randrange(20))


def _plain(value: Any) -> Any:
    """For JSON."""
    if isinstance(value, Long):
        return value.number
    return value.fields if isinstance(value, Struct) else value.decode()


def write(log: Path, truth: Path, made: list[Minute], start: int, count: int, opened: Opened) -> None:
    """Write the minutes from `start` on."""
    with opened(log) as put, truth.open("w") as known:
        for number in range(start, start + count):
            minute = made[number % len(made)]
            first = FIRST_ID + number * PACKETS * SECONDS
            put(minute.text(START + timedelta(minutes=number), first))
            known.writelines(f"{first + lost} {key} {code}\n" for lost, key, code in minute.lost)


@contextmanager
def by_gzip(path: Path) -> Iterator[Put]:
    """As logrotate does it; gzip works at the same time."""
    with path.open("wb") as out:
        process = subprocess.Popen(["gzip", "-n"], stdin=subprocess.PIPE, stdout=out)
        assert process.stdin
        yield process.stdin.write
        process.stdin.close()
        assert process.wait() == 0


@contextmanager
def quickly(path: Path) -> Iterator[Put]:
    """Packed less, and ten times as fast."""
    pack = isal_zlib.compressobj(level=1, wbits=31)
    with path.open("wb") as out:
        yield lambda data: out.write(pack.compress(data))
        out.write(pack.flush())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.statistic_log", description="Write the log of a statistics agent.")
    parser.add_argument("log", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("minutes", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="which minute is the first")
    parser.add_argument("--unanswered", type=int, help="of a minute; then every packet with an answer is delivered")
    parser.add_argument("--quickly", action="store_true", help="pack it less than logrotate does")
    args = parser.parse_args()
    lost, codes = (LOST, CODES) if args.unanswered is None else (args.unanswered, ("-",))
    made = minutes(args.seed, min(args.minutes, MADE_UP), lost, codes)
    write(args.log, args.truth, made, args.start, args.minutes, quickly if args.quickly else by_gzip)


if __name__ == "__main__":
    main()
