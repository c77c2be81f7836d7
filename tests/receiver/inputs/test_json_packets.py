"""JSON packets: types of events, read as they are, and what is none is named by its place."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.inputs.input import MOST_EVENTS
from keeper.receiver.inputs.json_packets import MOST_NESTED, JsonInput
from keeper.receiver.packet import Event, Malformed, Said

AT = 1_800_000_000.0


def read(body: bytes) -> list[Said]:
    return list(JsonInput().read(body, AT).packets)


def fields(body: bytes) -> bytes:
    """Of the one event of the one packet."""
    [said] = read(b'{"A":[%b]}' % body)
    [event] = said.events
    return event.fields


def test_each_type_is_a_packet() -> None:
    """In their order; the time is the event's own; a type without events is none."""
    body = b'{"A": [{"b": 1, "a": "x", "timestamp": 1422020878123}, {}], "None": [], "B c": [{"ok": true}]}'
    assert read(body) == [
        Said("A", [Event(1422020878.123, b'{"a":"x","b":1,"timestamp":1422020878123}'), Event(None, b"{}")]),
        Said("B c", [Event(None, b'{"ok":true}')]),
    ]
    assert read(b'{"A": []}') == []


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('{"b":{"z":[1,{"y":null,"x":2}],"a":""},"a":null}', '{"b":{"a":"","z":[1,{"x":2}]}}'),
        ('{"a":[null,[],{}]}', '{"a":[null,[],{}]}'),
        ('{"a":5.0,"b":-0.0,"c":1e3,"d":1.5,"e":1e300}', '{"a":5,"b":0,"c":1000,"d":1.5,"e":1e+300}'),
        ('{"a":NaN,"b":[Infinity,-Infinity]}', '{"a":"NaN","b":["Infinity","-Infinity"]}'),
        ('{"a":1e999,"b":-1e999}', '{"a":"1e999","b":"-1e999"}'),
        ('{"a":18446744073709551615,"b":-9223372036854775808}', '{"a":18446744073709551615,"b":-9223372036854775808}'),
        ('{"a":18446744073709551617}', '{"a":18446744073709551617}'),
        ('{"a":{"b":[-123456789012345678901234567890]}}', '{"a":{"b":[-123456789012345678901234567890]}}'),
        ('{"a":"\\u0414\\u0000\\n","":"\\ud83d\\ude00"}', '{"":"😀","a":"Д\\u0000\\n"}'),
        ('{"a":"\\ud800"}', '{"a":"\\ud800"}'),
        ('{"a":":) \\": x","b" : "\\":"}', '{"a":":) \\": x","b":"\\":"}'),
        ('{ "a"\t:\r\n1 , "b" :2}', '{"a":1,"b":2}'),
    ],
)
def test_events_are_written_in_one_way(written: str, canonical: str) -> None:
    """Keys in order and no blanks; null is no value; whole numbers are whole and exact; no text is lost."""
    assert fields(written.encode()) == canonical.encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is no JSON"),
        (b"{}", "it is an empty object"),
        (b"[]", "it is a list, and not an object of types"),
        (b"null", "it is null, and not an object"),
        (b'{"A":[{}]', "it is no JSON: .*column 10"),
        (b'{"A":[{}]} x', "it is no JSON: Extra data"),
        (b"{'A':[{}]}", "it is no JSON"),
        (b'{"A":[{"a":01}]}', "it is no JSON"),
        (b'{"A":[{"a":"\n"}]}', "it is no JSON"),
        (b'{"A":[{"a":"\xd0"}]}', "it is not UTF-8: byte 13 is 0xd0"),
        (b'\xff\xfe{\0"\0A\0', "it is not UTF-8: byte 1"),
        (b'{"A":{}}', "A is an object, and not a list of events"),
        (b'{"A":null}', "A is null, and not a list of events"),
        (b'{"A":[{}],"B":[{},1]}', "B event 2 is a number, and not an object"),
        (b'{"A":[[]]}', "A event 1 is a list, and not an object"),
        (b'{"":[{}]}', "'' is no type: it must have 1 to 200 printable characters"),
        (b'{"' + b"x" * 201 + b'":[{}]}', r"'x{40}'\.\.\. is no type"),
        (b'{"a\\nb":[{}]}', r"'a\\nb' is no type"),
        (b'{"\\ud800":[{}]}', r"'\\ud800' is no type"),
        (b'{"A":[{}],"A":[{"b":1}]}', "it has the key 'A' twice in one object"),
        (b'{"A":[{"a":1,"a":1}]}', "it has the key 'a' twice in one object"),
        (b'{"A" :[{"a" :{"b" :1, "b" :2}}]}', "it has the key 'b' twice in one object"),
        (b'{"A":[{"a":":","a":2}]}', "it has the key 'a' twice in one object"),
        (b'{"A":[{"a":' + b"9" * 5000 + b"}]}", "it is no JSON: Exceeds the limit"),
        (b'{"A":[{"a":' + b"[" * 101 + b"]" * 101 + b"}]}", "A event 1 is nested deeper than 100"),
        (b'{"A":[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]}", "nested deeper than 100"),
        (b'{"a":' * 100_000, "nested deeper than 100"),
        (b"[" * (MOST_NESTED + 1), "it has more than 262144 objects and lists"),
        (b'{"A":[' + b"{}," * MOST_EVENTS + b"{}]}", "A has 131073 events; 131072 are the most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_packet_is_named_by_its_place(body: bytes, reason: str) -> None:
    """Broken text, wrong shapes, keys that would be lost, and bombs."""
    with pytest.raises(Malformed) as caught:
        read(body)
    assert re.search(reason, str(caught.value)), str(caught.value)
    assert len(str(caught.value)) < 500


def test_values_may_be_nested_as_deep_as_a_resend_sends_them() -> None:
    """What keeper sends, keeper reads."""
    deep = b'{"a":' + b"[" * 99 + b"]" * 99 + b"}"
    assert fields(deep) == deep


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=12,
)


@given(
    rows=st.lists(st.dictionaries(st.text(), _VALUES, max_size=4), min_size=1, max_size=3),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_any_events_are_read_as_they_are(rows: list[dict[str, Any]], ascii_only: bool, indent: int | None) -> None:
    """Whichever way they are laid out, the same bytes come of it, and the same values."""
    body = json.dumps({"A": rows}, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        [said] = read(body)
    except Malformed:
        assert not ascii_only  # a lone surrogate that was not escaped is no UTF-8
        return
    assert [json.loads(event.fields) for event in said.events] == rows
    assert said == read(json.dumps({"A": rows}).encode())[0]
    assert not any(b"\n" in event.fields for event in said.events)
