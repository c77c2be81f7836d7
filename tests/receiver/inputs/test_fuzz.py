"""Whatever bytes come: packets or Malformed, of bounded memory, and what is taken can be kept in a queue."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.receiver.inputs.input import Input, Read
from keeper.receiver.inputs.json_packets import JsonInput
from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.inputs.put import PutInput
from keeper.receiver.packet import LONGEST_TYPE, Malformed, pack, packet_of, unpack
from tests.receiver.inputs.thrift_calls import (
    AT,
    BOOL,
    BYTE,
    LIST,
    MAP,
    STRING,
    STRUCT,
    THRIFT,
    call,
    field,
    idl,
    many,
    pairs,
    text,
    written,
)

INPUTS: dict[str, Input] = {
    "thrift": THRIFT,
    "json": JsonInput(),
    "lines": LinesInput(1000),
    "put": PutInput(1000),
}
_ODDS = idl.OddsAndEnds(
    id=1, share=0.5, blob=b"\xff", marks={3, 1}, small=1, tiny=2, talents=[idl.TalentInfo(classId=1)],
    groups={5: ["a"]}, resources=idl.ResourceTable(Currencies={"x": 2}),
)  # fmt: skip
GOOD = {
    "thrift": written("Odds", [_ODDS, _ODDS]),
    "json": b'{"A":[{"a":[1,2.5,null,{"b":"\\u0414"}],"timestamp":1422020878},{}],"B":[{"c":true}]}',
    "lines": b"web 2026-03-01 GET /\r\n\ndb 2026-03-01 \xd0\0\nbad\n",
    "put": b"put a.b 1422020878 5 host=x\nput c 1422020878.123 -1e3 host=x dir=/y \r\n",
}


def taken(name: str, body: bytes) -> Read | None:
    """What an input makes of it, None for Malformed; anything else is an error, and so is what cannot be kept."""
    try:
        read = INPUTS[name].read(body, AT)
    except Malformed as error:
        assert 0 < len(str(error)) < 1000
        return None
    for said in read.packets:
        assert 0 < len(said.type) <= LONGEST_TYPE and said.type.isprintable()
        assert said.events
        packet = packet_of(said, "default", None, AT)
        assert unpack(pack(packet)) == packet
        assert all(isinstance(json.loads(event.fields), dict) for event in said.events)
    return read


@pytest.mark.parametrize("name", INPUTS)
def test_a_body_that_is_cut_anywhere_is_read_or_refused(name: str) -> None:
    """After every byte; a Thrift message that is cut is never taken for a whole one."""
    assert taken(name, GOOD[name])
    for end in range(len(GOOD[name])):
        read = taken(name, GOOD[name][:end])
        assert name != "thrift" or read is None


@pytest.mark.parametrize("name", INPUTS)
def test_a_body_with_one_wrong_byte_is_read_or_refused(name: str) -> None:
    """Every byte, with the values that decide: zero, small, type numbers, signs, and one more or less."""
    good = GOOD[name]
    for place in range(len(good)):
        for byte in {0, 1, 2, 11, 12, 13, 15, 127, 128, 255, good[place] ^ 1, ord('"'), ord("\n"), ord("9")}:
            taken(name, good[:place] + bytes((byte,)) + good[place + 1 :])


@pytest.mark.parametrize("name", INPUTS)
@given(data=st.data())
@settings(max_examples=300)
def test_random_bytes_are_read_or_refused(name: str, data: st.DataObject) -> None:
    """Alone, in the middle of a good body, instead of a part of it; and two good ones that are mixed."""
    good = GOOD[name]
    begin, end = sorted(data.draw(st.tuples(st.integers(0, len(good)), st.integers(0, len(good)))))
    taken(name, good[:begin] + data.draw(st.one_of(st.binary(max_size=40), st.just(good[begin:] * 2))) + good[end:])
    taken(name, data.draw(st.binary(max_size=200)))
    taken(name, GOOD[data.draw(st.sampled_from(sorted(GOOD)))])


_MANY = 100_000  # items: fewer than the bounds allow
_LONG = 1 << 18  # bytes
BOMBS = {
    "thrift structs": ("thrift", call(*[b"\0"] * _MANY)),
    "thrift structs inside": ("thrift", call(field(LIST, 17, many(STRUCT, *[b"\0"] * _MANY)) + b"\0")),
    "thrift truths": ("thrift", call(field(LIST, 17, many(BOOL, *[b"\1"] * _MANY)) + b"\0")),
    "thrift maps": (
        "thrift",
        call(field(LIST, 17, many(MAP, *[pairs(BYTE, BYTE, b"\1", b"\1")] * (_MANY // 3))) + b"\0"),
    ),
    "thrift sizes": ("thrift", call(*[field(LIST, 17, many(BYTE, size=2**31 - 1))] * 10)),
    "thrift text": ("thrift", call(field(STRING, 3, text(b"\xff" * _LONG)) + b"\0")),
    "json lists": ("json", b'{"A":[{"a":[' + b"[]," * _MANY + b"[]]}]}"),
    "json objects": ("json", b'{"A":[' + b'{"a":1},' * _MANY + b"{}]}"),
    "json keys": ("json", b'{"A":[{' + b",".join(b'"%d":0' % n for n in range(_MANY)) + b"}]}"),
    "json types": ("json", b"{" + b",".join(b'"%d":[{}]' % n for n in range(_MANY // 4)) + b"}"),
    "json brackets": ("json", b"[" * _LONG),
    "empty lines": ("lines", b"\n" * _LONG),
    "bad lines": ("lines", b"x\n" * (_LONG // 2)),
    "short lines": ("lines", b"a 2026-01-01 \n" * (_LONG // 14)),
    "many prods": ("lines", b"".join(b"%d 2026-01-01 \n" % n for n in range(_LONG // 18))),
    "many metrics": ("put", b"".join(b"put %d 1 1 a=a\n" % n for n in range(_LONG // 18))),
    "one long line": ("put", b"put a 1 1" + b" a=a" * (_LONG // 4)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_no_more_memory_than_its_size_allows(bomb: str) -> None:
    """At most 64 bytes for each that was sent, or 32 MiB where a number of values is the bound."""
    name, body = BOMBS[bomb]
    tracemalloc.start()
    try:
        INPUTS[name].read(body, AT)
    except Malformed as error:
        print(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    print(f"{peak / len(body):.1f} bytes for each byte of {bomb}")
    assert peak < max(64 * len(body), 32 << 20)
