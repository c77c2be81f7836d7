"""Bodies of every kind of nonsense, and good requests with bytes changed."""

from __future__ import annotations

import contextlib
import gzip
import random
from collections import Counter

import pytest

from keeper.receiver.standing import CODES
from tests.receiver.hostile.target import JSON, LINE, TEXT, Target, refused
from tests.receiver.shapes import in_json, in_lines, in_put, in_thrift
from tests.receiver.wire import Wire, ask, chunked, request

STRANGE_JSON = {
    "nothing": b"",
    "deep lists": b'{"A":[' + b"[" * 200_000,
    "deep and closed": b'{"A":[{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    "deep objects": b'{"A":[' + b'{"x":' * 100_000,
    "large number": b'{"A":[{"x":' + b"9" * 100_000 + b"}]}",
    "large exponent": b'{"A":[{"x":1e999999}]}',
    "long fraction": b'{"A":[{"x":0.' + b"1" * 100_000 + b"}]}",
    "NaN": b'{"A":[{"x":NaN}]}',
    "surrogate": b'{"A":[{"x":"\\ud800"}]}',
    "NUL": b'{"A":[{"x":"\\u0000","\\u0000":1}]}',
    "NUL as it is": b'{"A":[{"x":"\0"}]}',
    "NUL in the type": b'{"A\\u0000B":[{"x":1}]}',
    "newline in the type": b'{"A\\nB":[{"x":1}]}',
    "surrogate in the type": b'{"\\ud800":[{"x":1}]}',
    "long type": b'{"' + b"A" * 10_000 + b'":[{"x":1}]}',
    "no type": b'{"":[{"x":1}]}',
    "not UTF-8": b'{"A":[{"x":"\xff"}]}',
    "UTF-16": '{"A":[{"x":1}]}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"A":[{"x":1}]}',
    "twice the same key": b'{"A":[{"x":1,"x":2}],"A":[{"x":3}]}',
    "no list": b'{"A":{"x":1}}',
    "list of numbers": b'{"A":[1,2,3]}',
    "a list": b'[{"A":[{"x":1}]}]',
    "true": b"true",
    "no events": b'{"A":[]}',
    "an empty event": b'{"A":[{}]}',
    "empty": b"{}",
    "two": b'{"A":[{"x":1}]}{"A":[{"x":1}]}',
    "clock wild": b'{"A":[{"timestamp":99999999999999999999}, {"timestamp":-1e308}, {"timestamp":"yesterday"}]}',
    "many types": b"{" + b",".join(b'"A%d":[{"x":1}]' % n for n in range(20_000)) + b"}",
    "many events": b'{"A":[' + b",".join([b"{}"] * 100_000) + b"]}",
    "many keys": b'{"A":[{' + b",".join(b'"k%d":1' % n for n in range(20_000)) + b"}]}",
}


@pytest.mark.parametrize("body", STRANGE_JSON.values(), ids=STRANGE_JSON)
def test_strange_json(target: Target, body: bytes) -> None:
    """Taken or refused, and never a mistake of ours."""
    answer = ask(target.address, request(body, JSON))
    assert answer is not None
    assert answer.status in (200, 400), answer


CALL = b"\x80\x01\x00\x01\x00\x00\x00\x0cChatMessages\x00\x00\x00\x00"  # what follows are its arguments
STRANGE_THRIFT = {
    "nothing": b"",
    "the head": b"\x80\x01\x00\x01",
    "a long name": b"\x80\x01\x00\x01\x7f\xff\xff\xff",
    "a name of less than nothing": b"\x80\x01\x00\x01\xff\xff\xff\xff",
    "unknown method": b"\x80\x01\x00\x01\x00\x00\x00\x04ping\x00\x00\x00\x00\x00",
    "a reply": b"\x80\x01\x00\x02\x00\x00\x00\x0cChatMessages\x00\x00\x00\x00\x00",
    "no arguments": CALL + b"\x00",
    "two billion events": CALL + b"\x0f\x00\x01\x0c\x7f\xff\xff\xff",
    "two billion flags": CALL + b"\x0f\x00\x01\x02\x7f\xff\xff\xff",
    "fewer than none": CALL + b"\x0f\x00\x01\x0c\xff\xff\xff\xff",
    "a long text": CALL + b"\x0f\x00\x01\x0c\x00\x00\x00\x01\x0b\x00\x04\x7f\xff\xff\xffab",
    "deep": CALL + b"" + b"\x0c\x00\x01" * 300_000,
    "deep lists": CALL + b"" + b"\x0f\x00\x09" + b"\x0f\x00\x00\x00\x01" * 200_000,
    "old style": b"\x00\x00\x00\x0cChatMessages\x01\x00\x00\x00\x00\x00",
    "name that is no text": b"\x80\x01\x00\x01\x00\x00\x00\x02\xff\xfe\x00\x00\x00\x00\x00",
    "compact": b"\x82\x21\x00\x0cChatMessages\x19\x1c",
}


@pytest.mark.parametrize("body", STRANGE_THRIFT.values(), ids=STRANGE_THRIFT)
def test_strange_thrift(target: Target, body: bytes) -> None:
    """What it says about its size is not believed."""
    refused(ask(target.address, request(body, "Content-Type: application/x-thrift")), 400)


STRANGE_LINES = {
    "traversal": b"../../etc/passwd 2026-11-26 x\n",
    "traversal in the date": b"eos /../../x x\n",
    "NUL": b"eos\0 2026-11-26 x\0y\n",
    "NUL in the data": b"eos 2026-11-26 x\0y\n",
    "no end": b"eos 2026-11-26 x",
    "no data": b"eos 2026-11-26\n",
    "no such day": b"eos 2026-02-31 x\n",
    "day zero": b"eos 0000-00-00 x\n",
    "not UTF-8": b"eos 2026-11-26 \xff\xfe\n",
    "returns": b"eos 2026-11-26 x\r\n",
    "return inside": b"eos 2026-11-26 x\ry\n",
    "a long line": b"eos 2026-11-26 " + b"x" * 200_000 + b"\n",
    "newlines": b"\n" * 100_000,
    "blanks": b" " * 100_000,
    "long name": b"e" * 10_000 + b" 2026-11-26 x\n",
    "many names": b"".join(b"eos%d 2026-11-26 x\n" % n for n in range(20_000)),
    "other newlines": "eos 2026-11-26 x\u2028y\x0b\x0c\x1c\x85z\n".encode(),
}


@pytest.mark.parametrize("body", STRANGE_LINES.values(), ids=STRANGE_LINES)
def test_strange_lines(target: Target, body: bytes) -> None:
    """Wrong lines are left out, and the body answered."""
    for path in ("/log/strange", "/put"):
        answer = ask(target.address, request(body, TEXT, path=path))
        assert answer is not None
        assert answer.status in (200, 400), answer


def test_random_changes(target: Target, seed: int) -> None:
    """Good requests with bytes changed, left out, doubled and swapped: any answer but a mistake of ours."""
    chance = random.Random(seed)
    good_ones = [
        in_json(["word-fuzz-1"]),
        in_thrift(["word-fuzz-2"]),
        in_lines(["word-fuzz-3"]),
        in_put(["word-fuzz-4"]),
    ]
    good_ones.append(request(gzip.compress(LINE), TEXT, "Content-Encoding: gzip", path="/log/x"))
    good_ones.append(b"POST /log/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(LINE, LINE))
    answers: Counter[int] = Counter()
    for _ in range(600):
        sent = bytearray(chance.choice(good_ones))
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            _spoil(sent, chance)
        with Wire(target.address) as wire:
            wire.send(bytes(sent))
            wire.finish()
            with contextlib.suppress(ValueError):  # the answer to a HEAD that it became
                while (answer := wire.answer()) is not None:
                    answers[answer.status] += 1
                    assert answer.status in CODES
                    assert answer.status != 500, bytes(sent)
    print(answers)


def _spoil(sent: bytearray, chance: random.Random) -> None:
    at = chance.randrange(max(len(sent), 1))
    match chance.randrange(4):
        case 0:
            sent[at : at + 1] = bytes([chance.randrange(256)])
        case 1:
            del sent[at : at + chance.choice((1, 1, 4, 40))]
        case 2:
            sent[at:at] = sent[at : at + chance.choice((1, 4, 40))]
        case 3:
            sent[at:at] = chance.choice((b"\r\n", b"\0", b" ", b":", b"\xff", b"0", b"\x7f\xff\xff\xff"))
