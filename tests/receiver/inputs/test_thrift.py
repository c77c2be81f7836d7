"""Thrift messages into packets: everything that was sent is there, and what is none is named by its place."""

from __future__ import annotations

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thriftpy2.thrift import TMessageType

from keeper.errors import KeeperError
from keeper.receiver.inputs.input import MOST_EVENTS
from keeper.receiver.inputs.thrift import thrift_input
from keeper.receiver.inputs.thrift_values import MOST_VALUES
from tests.receiver.inputs.thrift_calls import (
    AT,
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STOP,
    STRING,
    STRUCT,
    THRIFT,
    call,
    events_of,
    field,
    head,
    idl,
    many,
    pairs,
    text,
    why,
    written,
)

END = b"\0"


def test_a_call_is_a_packet_of_its_method() -> None:
    """Each struct is an event, in order: keys in order, no blanks, its own time."""
    rows = [
        idl.ChatMessageInfo(auid=-(2**63), timestamp=1422020878, channel="Да", message=""),
        idl.ChatMessageInfo(auid=7, message='"\n\0'),
    ]
    [said] = THRIFT.read(written("ChatMessages", rows), AT).packets
    assert said.type == "ChatMessages"
    assert said.events == [
        (
            1422020878.0,
            '{"auid":-9223372036854775808,"channel":"Да","message":"","timestamp":1422020878}'.encode(),
        ),
        (None, rb'{"auid":7,"message":"\"\n\u0000"}'),
    ]


def test_every_kind_of_field_is_read() -> None:
    """Doubles, binary, sets in order, lists, structs, small integers, maps with whole numbers as keys."""
    row = idl.OddsAndEnds(
        id=1, share=0.1, blob=b"\xff\x00a", marks={3, -1, 20}, small=-32768, tiny=-1, level=7,
        talents=[idl.TalentInfo(classId=1, instanceId=2, boundHeroClassId=3), idl.TalentInfo()],
        groups={5: ["a", "Д"], -6: []}, resources=idl.ResourceTable(Gold=1, Currencies={"x": 2}),
    )  # fmt: skip
    [event] = events_of(written("Odds", [row]))
    assert json.loads(event.fields) == {
        "id": 1, "share": 0.1, "blob": "\udcff\x00a", "marks": [-1, 3, 20], "small": -32768, "tiny": -1, "level": 7,
        "talents": [{"classId": 1, "instanceId": 2, "boundHeroClassId": 3}, {}],
        "groups": {"5": ["a", "Д"], "-6": []}, "resources": {"Gold": 1, "Currencies": {"x": 2}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (5.0, b"5"), (-0.0, b"0"), (0.5, b"0.5"), (1e300, b"1e+300"), (2.0**53, b"9007199254740992"),
        (math.nan, b'"NaN"'), (math.inf, b'"Infinity"'), (-math.inf, b'"-Infinity"'),
    ],
)  # fmt: skip
def test_every_double_can_be_said(share: float, shown: bytes) -> None:
    """Whole ones as JSON's whole numbers, and what JSON has no number for as a text: nothing is lost."""
    [event] = events_of(written("Odds", [idl.OddsAndEnds(id=1, share=share, level=7)]))
    assert event.fields == b'{"id":1,"level":7,"share":%b}' % shown


@pytest.mark.parametrize("kind", [TMessageType.CALL, TMessageType.ONEWAY])
@pytest.mark.parametrize("strict", [True, False])
def test_old_and_one_way_messages_are_read(kind: int, strict: bool) -> None:
    """The form before the versioned one, and calls that want no answer."""
    row = idl.ChatMessageInfo(auid=1)
    [event] = events_of(written("ChatMessages", [row], kind=kind, strict=strict))
    assert event.fields == b'{"auid":1}'


def test_a_list_of_nothing_is_no_packet() -> None:
    """A method that was called without events was called all the same, which is no error."""
    assert THRIFT.read(written("ChatMessages", []), AT).packets == ()


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (BOOL, b"\1", b"true"),
        (BYTE, b"\xff", b"-1"),
        (I16, b"\x80\0", b"-32768"),
        (I64, bytes(7) + b"\5", b"5"),
        (DOUBLE, struct.pack(">d", 1.5), b"1.5"),
        (STRING, text("Д".encode()), '"Д"'.encode()),
        (STRING, text(b"\xd0"), rb'"\udcd0"'),
        (STRUCT, field(I32, 1, bytes(4)) + field(STRUCT, -2, END) + END, b'{"field_-2":{},"field_1":0}'),
        (LIST, many(BOOL, b"\0", b"\1"), b"[false,true]"),
        (LIST, many(STOP), b"[]"),
        (SET, many(STRING, text(b"b"), text(b"a")), b'["a","b"]'),
        (SET, many(I32, struct.pack(">i", 10), struct.pack(">i", 9)), b"[9,10]"),
        (MAP, pairs(BOOL, I16, b"\1", b"\0\7"), b'{"true":7}'),
        (MAP, pairs(DOUBLE, LIST, struct.pack(">d", 0.5), many(STRUCT, END)), b'{"0.5":[{}]}'),
        (MAP, pairs(LIST, BYTE, many(BYTE, b"\1"), b"\2"), b'{"[1]":2}'),
        (MAP, pairs(STOP, STOP), b"{}"),
    ],
)
def test_a_field_of_a_newer_sender_is_kept(kind: int, value: bytes, shown: bytes) -> None:
    """The IDL does not know it, the wire says what it is."""
    [event] = events_of(call(field(I64, 1, bytes(8)) + field(kind, 17, value) + END))
    assert event.fields == b'{"auid":0,"field_17":%b}' % shown


CHAT = field(I64, 1, bytes(8))
TALENT = b"TalentChange"
DEEP = 40_000


BAD = [
    (b"", "no Thrift message: it ends within its head"),
    (b"GET / HTTP/1.1\r\n\r\n", "no Thrift message: its method's name has 1195725856 characters"),
    (b"\x80\x02\0\1", "not? Thrift message of version 1: it begins with 80020001"),
    (b"\x82!\0\1", "begins with 82210001"),
    (head(word=0x80010002) + END, "no call, but a Thrift message of the kind 2"),
    (head(b""), "name has 0 characters"),
    (struct.pack(">Ii", 0x80010001, -5), "name has -5 characters"),
    (struct.pack(">Ii", 0x80010001, 2**31 - 1), "name has 2147483647 characters"),
    (head(b"x" * 201), "name has 201 characters"),
    (head(b"Nope\xff\n") + END, r"the IDL has no method Nope\\xff\n that takes one list"),
    (head() + END, "ChatMessages: its argument is not one list"),
    (head() + field(STRING, 1, text(b"")) + END, "ChatMessages: its argument is not one list"),
    (head() + field(LIST, 2, many(STRUCT)) + END, "ChatMessages: its argument is not one list"),
    (head() + field(LIST, 1, many(I32, bytes(4))) + END, "ChatMessages: its items are an i32, and .* a struct"),
    (head() + field(LIST, 1, many(STRUCT, size=-1)), "ChatMessages: its size is -1, and 0 bytes are left"),
    (head() + field(LIST, 1, many(STRUCT, size=2**31 - 1)), "ChatMessages: its size is 2147483647, and 0 bytes"),
    (call()[:-1] + field(LIST, 2, many(STRUCT)) + END, "ChatMessages: it has more arguments than one"),
    (call() + b"x", "ChatMessages: 1 bytes are left behind its end"),
    (call(CHAT + END)[:-1], "ChatMessages ends in the middle"),
    (call(CHAT)[:-1], "ChatMessages event 1: it ends in the middle"),
    (call(END, CHAT[:-1])[:-1], r"ChatMessages event 2\.auid: it ends in the middle"),
    (call(CHAT + field(STRING, 3, text(b"abc")[:-1]))[:-1], r"event 1\.channel: its size is 3, and 2 bytes"),
    (call(field(STRING, 3, struct.pack(">i", -1)) + END), r"event 1\.channel: its size is -1, and 2 bytes"),
    (call(field(STRING, 3, b"\0\0"))[:-1], r"event 1\.channel: it ends in the middle"),
    (call(field(I32, 1, bytes(4)) + END), r"event 1\.auid: it is an i32, and the IDL wants an i64"),
    (call(field(99, 1, bytes(4)) + END), r"event 1\.auid: it is of the kind 99, which does not exist"),
    (call(field(99, 17, bytes(4)) + END), r"event 1\.field_17: it is of the kind 99"),
    (call(CHAT + CHAT + END), "event 1: it has a field twice"),
    (call(field(BOOL, 17, b"\2") + END), r"event 1\.field_17: it is 2, and a bool is 0 or 1"),
    (call(field(LIST, 17, many(99, b"x")) + END), r"event 1\.field_17: its items are of the kind 99"),
    (call(field(LIST, 17, many(BOOL, b"\1", b"\7")) + END), r"event 1\.field_17\[1\]: it is 7"),
    (call(field(LIST, 17, many(I64, size=3)) + END), r"event 1\.field_17: its size is 3, and 2 bytes are left"),
    (call(field(MAP, 17, pairs(99, 99, b"x", b"y")) + END), r"event 1\.field_17: its items are of the kind 99"),
    (call(field(MAP, 17, pairs(BYTE, BYTE, b"x", b"y", b"x", b"y")) + END), "field_17: it has a key twice"),
    (call(field(MAP, 17, pairs(BYTE, BYTE, size=-2)) + END), r"field_17: its size is -2"),
    (call(field(MAP, 17, pairs(STRING, BYTE, text(b"ab")[:-1], END)))[:-1], r"field_17\[0\]: it ends in the middle"),
    (call(field(STRUCT, 2, field(I64, 1, END)) + END, method=TALENT), r"event 1\.talent\.classId: it is an i64"),
    (
        call(field(LIST, 5, many(STRUCT, END, field(I32, 1, b"\0"))), method=b"Odds")[:-1],
        r"Odds event 1\.talents\[1\]\.classId: it ends in the middle",
    ),
    (call(field(LIST, 5, many(I32, bytes(4))) + END, method=b"Odds"), "talents: its items are an i32, and"),
    (
        call(field(MAP, 9, pairs(I32, LIST, bytes(4), many(STRING))) + END, method=b"Odds"),
        "groups: it is of an i32 to a list, and the IDL wants an i64 to a list",
    ),
    (call(field(STRUCT, 17, b"") * DEEP), "it is nested deeper than 100"),
    (call(field(LIST, 17, (b"\x0f\0\0\0\1" * DEEP)[:-1])), "it is nested deeper than 100"),
    (call(field(MAP, 17, b"\x0d\x0d\0\0\0\1" * DEEP)), "it is nested deeper than 100"),
    (call(field(LIST, 17, many(STRUCT, END * (MOST_VALUES + 1), size=MOST_VALUES + 1)) + END), "more than 131072"),
    (call(*[END] * (MOST_EVENTS + 1)), "it has 131073 events; 131072 are the most"),
]


@pytest.mark.parametrize(("body", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_what_is_no_packet_is_named_by_its_place(body: bytes, reason: str) -> None:
    """The method, the event, the field, and what is wrong there; bombs cost nothing."""
    said = why(body)
    assert re.search(reason, said), said
    assert len(said) < 500


def test_unknown_fields_of_one_event_are_bounded(tmp_path: Path) -> None:
    """Each costs four bytes to send and many more to keep. All ids there are may be used, and none twice."""
    path = tmp_path / "empty.thrift"
    path.write_text("struct E { }\nservice S { void Empty(1:list<E> all) }")
    empty = thrift_input(path)
    one_struct = b"".join(field(BOOL, number, b"\1") for number in range(-30_000, 30_000) if number not in range(1, 5))
    assert len(events_of(call(one_struct + END))) == 1
    every = b"".join(field(BOOL, number, b"\1") for number in range(-(1 << 15), 1 << 15))
    assert len(events_of(call(every + END, method=b"Empty"), empty)) == 1
    for more in (1, 2, 3):
        twice = call(every + field(BOOL, 0, b"\1") * more + END, method=b"Empty")
        assert why(twice, empty).endswith("it has a field twice")
    five = b"".join(field(STRUCT, 100 + n, one_struct + END) for n in range(5))
    assert why(call(five + END)).endswith("it has more than 131072 values")


_I32, _I64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
_TEXT = st.one_of(st.text(st.characters(codec="utf-8")), st.binary())


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "id": _I64,
                "share": st.floats(),
                "blob": st.binary(),
                "marks": st.sets(_I32),
                "talents": st.lists(st.builds(idl.TalentInfo, classId=_I32, instanceId=_I64), max_size=4),
                "small": st.integers(-(2**15), 2**15 - 1),
                "tiny": st.integers(-128, 127),
                "groups": st.dictionaries(_I64, st.lists(_TEXT, max_size=3), max_size=3),
            },
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_thriftpy2_writes_is_read(rows: list[dict[str, Any]]) -> None:
    """Every value, field by field, and it stays one line."""
    events = events_of(written("Odds", [idl.OddsAndEnds(**row) for row in rows]))
    assert [json.loads(event.fields) for event in events] == [_shown({"level": 7, **row}) for row in rows]
    assert not any(b"\n" in event.fields for event in events)


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _shown(one) for key, one in value.items() if one is not None}
    return _shown(vars(value)) if isinstance(value, idl.TalentInfo) else value


def test_a_struct_that_holds_itself_is_read(tmp_path: Path) -> None:
    """An IDL may describe a tree; a deep one is refused like any other."""
    path = tmp_path / "tree.thrift"
    path.write_text("struct Node { 1: i32 value 2: list<Node> nodes }\nservice S { void Tree(1:list<Node> nodes) }")
    tree = thrift_input(path)
    node = field(I32, 1, bytes(4)) + field(LIST, 2, many(STRUCT, END)) + END
    [said] = tree.read(call(field(LIST, 2, many(STRUCT, node)) + END, method=b"Tree"), AT).packets
    assert orjson.loads(said.events[0].fields) == {"nodes": [{"value": 0, "nodes": [{}]}]}


def test_whatever_an_idl_can_declare_is_read(tmp_path: Path) -> None:
    """Enums, typedefs, unions, containers in containers, a service's parent; keys that are not UTF-8."""
    path = tmp_path / "all.thrift"
    path.write_text(
        "enum Color { RED = 1, BLUE = 2 }\ntypedef i64 Id\nunion U { 1: i32 a 2: string b }\n"
        "struct A { 1: Color c 2: list<Color> cs 3: set<Id> ids 4: list<binary> bs 5: map<string, Color> m 6: U u\n"
        "  7: list<map<i16, set<string>>> deep }\ntypedef list<A> As\n"
        "service Base { void InBase(1:list<A> a) }\n"
        "service S extends Base { void Mine(1:As a), oneway void One(1:list<A> a) }"
    )
    one, two = struct.pack(">i", 1), struct.pack(">i", 2)
    everything = b"".join(
        (
            field(I32, 1, two),
            field(LIST, 2, many(I32, one, two)),
            field(SET, 3, many(I64, struct.pack(">q", 9), struct.pack(">q", -1))),
            field(LIST, 4, many(STRING, text(b"\xff"))),
            field(MAP, 5, pairs(STRING, I32, text(b"\xff"), one)),
            field(STRUCT, 6, field(STRING, 2, text(b"x")) + END),
            field(LIST, 7, many(MAP, pairs(I16, SET, b"\0\1", many(STRING, text(b"b"), text(b"a"))))),
            END,
        )
    )
    for method in (b"Mine", b"One", b"InBase"):
        [said] = thrift_input(path).read(call(everything, method=method), AT).packets
        assert said.type == method.decode()
        assert said.events[0].fields == (
            rb'{"bs":["\udcff"],"c":2,"cs":[1,2],"deep":[{"1":["a","b"]}],"ids":[-1,9],"m":{"\udcff":1},"u":{"b":"x"}}'
        )


def test_only_methods_that_take_one_list_of_structs_are_known(tmp_path: Path) -> None:
    """Others are no packets, and an IDL that is none is said at once."""
    path = tmp_path / "some.thrift"
    path.write_text(
        "struct A { 1: i32 a }\nservice S { void Two(1:list<A> a, 2:i32 b), void One(1:A a), void Ints(1:list<i32> a) }"
    )
    some = thrift_input(path)
    for method in (b"Two", b"One", b"Ints"):
        with pytest.raises(KeeperError, match="has no method"):
            some.read(call(END, method=method), AT)
    with pytest.raises(KeeperError, match="cannot read the IDL"):
        thrift_input(tmp_path / "none.thrift")
