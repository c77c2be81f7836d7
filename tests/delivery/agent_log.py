"""Logs of a simulated statistics agent, with every trap, and the truth about each packet.

Written from the description of the agent alone: nothing of keeper's reading is used. The simulation writes lines and
notes what happened; a line that is cut changes the truth only where what is left of it no longer tells.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from keeper.formats.pyrepr import Struct
from tests.delivery.python2 import Long, python2_repr

TYPES = {"LoginUsers": "LoginInfo", "ChatMessages": "ChatMessageInfo", "TalentChange": "TalentChangeInfo", "X": "Y_1"}
START = datetime(2015, 1, 23, 15, 47, 58, tzinfo=UTC)
TRAPS = [
    "), packet_id=5", "], packet_id=7", 'say "hi"', "'\"", "it's", "\\", "\\'", "Дай пройти", "new\nline",
    "), ChatMessageInfo(auid=1", "[", "](", "code=200", "\x00\x01", "None", "{'a': ']'}", "<object at 0x7f>", "\r", "",
    "HTTPResponse(code=200,error=None)", "sendThrift LIST: key='X', data=[], packet_id=1", "], data=[",
]  # fmt: skip

WHOLE = re.compile(rb"(packet_id=\d+|\)|None)$")


@dataclass
class Packet:
    """What the agent sent, and what its log tells about it. `code` 0: answered without a response."""

    id: int
    key: str
    at: int  # milliseconds of the agent's clock since START, steps of the clock included
    data: bytes
    events: int
    code: int | None = None


@dataclass
class Line:
    """One line without its newline. What of it must be left for it to tell: the first `whole` bytes of `text`."""

    text: bytes
    whole: int
    packet: Packet | None = None
    code: int | None = None  # an answer's
    broken: int = 0  # from this many bytes on the cut line is known to have been a send or an answer


@dataclass
class Truth:
    """What collecting must find."""

    sent: list[Packet] = field(default_factory=list)  # whose line is whole, in order
    without_id: Counter[str] = field(default_factory=Counter)
    events_without_id: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    unmatched: int = 0
    added: list[bytes] = field(default_factory=list)

    @property
    def undelivered(self) -> list[Packet]:
        return [packet for packet in self.sent if packet.code != 200]


class Agent:
    """Writes a log. `steps`: the clock is set back or forward now and then, but the agent never counts from 1 again:
    both at once and nobody could tell."""

    def __init__(self, chance: random.Random, *, steps: bool = False) -> None:
        self.chance = chance
        self.truth = Truth()
        self.log = bytearray()
        self.starts: list[int] = [0]  # offsets where a log may be rotated: a line with a time begins there
        self.steps = steps
        self._clock = 0
        self._forward = 0  # how often the clock was set forward
        self._id = 451523 if steps else chance.choice([1, 1, 862, 451523])
        self._waiting: list[tuple[int, Packet]] = []  # (lines until the answer, packet)
        self._told: set[int] = set()  # packets, by `id()`, whose send can be read
        self._had: list[Packet] = []  # packets that had their answer
        self._dialect = chance.choice(["old", "new", "shuffled"])
        self._oldest = chance.random() < 0.05
        self._glued = False
        self.cuts = chance.choice([0.0, 0.0, 0.02, 0.1])

    def run(self, lines: int) -> None:
        """Write so many lines, more or less."""
        self._sent_before()
        for _ in range(lines):
            self._one()
            self._answers()
            if self.chance.random() < 0.01:
                self._restart()
        if self.chance.random() < 0.5:
            while self._waiting:
                self._answers()

    # what the agent does

    def _one(self) -> None:
        chance = self.chance.random()
        if chance < 0.35:
            self._send()
        elif chance < 0.45:
            self._add()
        elif chance < 0.55 and self._had:
            self._answer_again()
        else:
            self._noise()

    def _send(self) -> None:
        key, events = self.chance.choice(list(TYPES)), self._events()
        data = python2_repr(events).encode()
        if self._oldest:
            self._write_oldest(key, data, len(events))
            return
        packet = Packet(self._id, key, 0, data, len(events))
        self._id += 1
        head = b"sendThrift LIST: key='%b', data=%b, packet_id=" % (key.encode(), data)
        if self.chance.random() < 0.05:
            head = head.replace(b"key='", b"key=u'", 1)
        text = head + b"%d" % packet.id
        line = self._line(text)
        line.packet, line.whole = packet, len(line.text)
        line.broken = len(self._stamp()) + len(b"sendThrift LIST: key")
        packet.at = self._clock
        # Sent again after a restart, an id that waits in vain: without this line nobody could tell whose an answer is.
        again = any(old.id == packet.id and old.key == key and old.code is None for old in self.truth.sent)
        self._write(line, dangerous=len(line.text) - len(b"%d" % packet.id), never_cut=again)
        if self.chance.random() < 0.85:
            self._waiting.append((self.chance.choice([0, 0, 1, 2, 5, 20]), packet))

    def _sent_before(self) -> None:
        """Packets whose sends were rotated away: their answers come all the same."""
        for _ in range(self.chance.choice([0, 0, 0, 1, 3])):
            packet = Packet(self._id, self.chance.choice(list(TYPES)), 0, b"", 0)
            self._id += 1
            self._waiting.append((self.chance.randrange(5), packet))

    def _answers(self) -> None:
        waiting, self._waiting = self._waiting, []
        for left, packet in waiting:
            if left:
                self._waiting.append((left - 1, packet))
            else:
                self._write_answer(packet, self._code())

    def _answer_again(self) -> None:
        packet = self._had[-1]
        if id(packet) in self._told and packet.id == self._id - 1:  # not an id that was used again meanwhile
            self._write_answer(packet, self._code())

    def _restart(self) -> None:
        self._waiting = []
        self._had = []
        if self.chance.random() < 0.7 and not self.steps:
            self._id = 1
        self._clock += self.chance.randrange(5_000)

    def _code(self) -> int:
        return self.chance.choice([200] * 12 + [599, 599, 500, 503, 413, 301, 0])

    def _events(self) -> list[Any]:
        name = self.chance.choice(list(TYPES.values()))
        return [self._event(name) for _ in range(self.chance.choice([0, 1, 1, 1, 2, 3, 8]))]

    def _event(self, name: str) -> Struct:
        values: dict[str, Any] = {
            "auid": Long(self.chance.getrandbits(40)),
            "nick": self.chance.choice(TRAPS).encode(),
            "text": self._fake() if self.chance.random() < 0.5 else self.chance.choice(TRAPS),
            "flag": self.chance.random() < 0.5,
            "rate": self.chance.choice([1e16, 0.5, float("inf"), -1.5e-7]),
            "more": self.chance.choice(
                [None, [], {}, {"a": 1}, {1, 2}, (1,), [Struct("TalentInfo", {"classId": 5, "packet_id": 3})]]
            ),
            "packet_id": self.chance.randrange(10),
        }
        names = list(values)
        self.chance.shuffle(names)
        return Struct(name, {field: values[field] for field in names[: self.chance.randrange(len(names) + 1)]})

    def _fake(self) -> str:
        """Text of a user who knows what the log looks like."""
        number = self.chance.choice([self._id, max(1, self._id - 1), 5])
        stamp = self._stamp().decode()
        return self.chance.choice(
            [
                f"{stamp}onSendThriftHttpResponse: key='X', packet_id={number}, response=HTTPResponse(code=200,e=1)",
                f"{stamp}sendThrift LIST: key='LoginUsers', data=[], packet_id={number}",
                f"onSendThriftHttpResponse: key='X', packet_id={number}, response=HTTPResponse(code=200)",
                f"x', a=1)], packet_id={number}",
            ]
        )

    # what it writes

    def _stamp(self) -> bytes:
        at = START + timedelta(milliseconds=self._clock)
        return at.strftime("[%Y-%m-%d %H:%M:%S,").encode() + b"%03d INFO] " % (at.microsecond // 1000)

    def _line(self, text: bytes, level: bytes = b"INFO") -> Line:
        self._clock += self.chance.choice([0, 0, 1, 7, 30, 500, 2000])
        if self.steps and self.chance.random() < 0.01:
            step = self.chance.choice([-3_600_000, -90_000, -2_000, 40_000])
            # Set forward three times while an answer is due, a clock shows more than the minute an agent waits for one.
            if step < 0 or self._forward < 2:
                self._clock += step
                self._forward += step > 0
        line = self._stamp().replace(b"INFO", level) + text
        return Line(line, len(line))

    def _write_oldest(self, key: str, data: bytes, events: int) -> None:
        line = self._line(b"sendThrift LIST: key '%b', data %b" % (key.encode(), data))
        line.broken = len(self._stamp()) + len(b"sendThrift LIST: key")
        if self._write(line):
            self.truth.without_id[key] += 1
            self.truth.events_without_id[key] += events

    def _write_answer(self, packet: Packet, code: int) -> None:
        response, told = self._response(code)
        text = b"onSendThriftHttpResponse: key='%b', packet_id=%d, response=" % (packet.key.encode(), packet.id)
        line = self._line(text + response)
        line.code, line.packet = code, packet
        line.whole = len(line.text) - len(response) + told
        line.broken = len(self._stamp()) + len(b"onSendThriftHttpResponse: key=")
        if self._write(line):
            self._had.append(packet)

    def _response(self, code: int) -> tuple[bytes, int]:
        """The text of a response, and how much of it tells the code."""
        if code == 0:
            return b"None", 4
        body = self.chance.choice([None, b"code=500,", self._fake().encode(), b"it's (", b'a "b', b"[{(", b"\\"])
        fields = {
            "_body": python2_repr(body),
            "_error_is_response_code": "False",
            "buffer": self.chance.choice(["None", "<_io.BytesIO object at 0x7f2c41b0>"]),
            "code": str(code),
            "effective_url": "'http://sstat:8080/?code=204,'",
            "error": "HTTPError('HTTP 599: Timeout',)" if code == 599 else "None",
            "headers": python2_repr({b"X": b"1,code=200,"}),
            "request": "<tornado.httpclient.HTTPRequest object at 0x7f2c41d0>",
            "request_time": "0.03",
            "time_info": "{}",
        }
        names = list(fields)
        if self._dialect == "old":
            names.remove("code")
            names.insert(0, "code")
        elif self._dialect == "shuffled":
            self.chance.shuffle(names)
        text = "HTTPResponse("
        told = 0
        for name in names:
            text += f"{name}={fields[name]},"
            told = len(text) if name == "code" else told
        if "[20" in text[:told]:  # it could be the beginning of a line glued to this one: all of it must be there
            told = len(text)
        return (text[:-1] + ")").encode(), told

    def _add(self) -> None:
        if self._glued:
            return
        event = {b"auid": Long(5), b"nick": self.chance.choice(TRAPS).encode(), b"text": self._fake().encode()}
        args = python2_repr(event).encode()
        line = self._line(b"to add: key u'LoginUsers', args " + args)
        if self._write(line, never_cut=True):
            self.truth.added.append(b"key=LoginUsers, args=" + args)

    def _noise(self) -> None:
        kind = self.chance.randrange(6)
        if kind == 0:
            self._write(self._line(b"Stats Post Params: " + python2_repr({b"x": self._fake().encode()}).encode()))
        elif kind == 1:
            self._write(self._line(b'Packet #%d: Stats body: {"text": "%b"}' % (self._id, self._fake().encode()[-40:])))
        elif kind == 2:
            self._write(self._line(b"sendThrift timing: key='LoginUsers', packet_id=%d, encode=0.004" % self._id))
        elif kind == 3:
            self._write(self._line(b"cannot parse " + python2_repr(self._fake().encode()).encode(), b"WARNING"))
        elif kind == 4:
            self._write(self._line(b"\x00\xff\xfe garbage \xd0", b"ERROR"))
        elif not self._glued:
            self._write(self._line(b"Uncaught exception", b"ERROR"), never_cut=True)
            self.log += b'Traceback (most recent call last):\n  File "/opt/a.py", line 5, in x\nValueError: [1, 2\n'

    def _write(self, line: Line, *, dangerous: int | None = None, never_cut: bool = False) -> bool:
        """Append a line, or the beginning of it. True if what was written still tells what the line told."""
        begins = len(self.log)
        whole = True
        if self._glued or never_cut or self.chance.random() >= self.cuts:
            self.log += line.text + b"\n"
            self._glued = False
        else:
            cut = self.chance.randrange(1, len(line.text))
            glue = self.chance.random() < 0.6
            if not glue and dangerous is not None:
                cut = min(cut, dangerous)  # behind it, nobody can know that something is missing
            while not glue and WHOLE.search(line.text[:cut]):
                cut -= 1  # what a user wrote would look like a line that was glued to this one
            self.log += line.text[:cut] + (b"" if glue else b"\n")
            self._glued = glue
            whole = cut >= line.whole
            self.truth.broken += not whole and 0 < line.broken <= cut
        if begins == 0 or self.log[begins - 1] == 10:
            self.starts.append(begins)
        self._note(line, whole)
        return whole

    def _note(self, line: Line, whole: bool) -> None:
        packet = line.packet
        if packet is None or not whole:
            return
        if line.code is None:
            self.truth.sent.append(packet)
            self._told.add(id(packet))
        elif id(packet) in self._told and packet.code is None:
            packet.code = line.code
        else:
            self.truth.unmatched += 1
