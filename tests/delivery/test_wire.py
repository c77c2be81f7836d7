"""Packets on the wire: every value arrives as it was, and what does not fit is named and not sent."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.delivery.outcome import Reply
from keeper.delivery.wire import Unfit, UnknownType, events_of
from keeper.delivery.wire_json import JsonWire
from keeper.delivery.wire_thrift import ThriftWire, thrift_wire
from keeper.errors import KeeperError
from keeper.formats.pyrepr import Struct
from tests.delivery.statistics_server import IDL, Call, decode
from tests.notifiers.receiver import Request

METHODS = {"BanUser": "GMUserOperation", "MuteUser": "GMUserOperation"}
WIRE = thrift_wire(IDL, METHODS, {})


def there(wire: ThriftWire, key: str, data: bytes) -> Call:
    """What thriftpy2 reads of it on the other side."""
    body = wire.encode(key, events_of(data))
    return decode(Request(0.0, "/", {"Idempotency-Key": f'"a/1/{"0" * 32}"'}, body, 0))


def test_a_packet_of_the_log_arrives_value_for_value() -> None:
    """Longs, UTF-8 in bytes and in unicode, nested structs, maps, booleans, fields in any order."""
    call = there(
        WIRE,
        "TalentChange",
        rb"[TalentChangeInfo(timestamp=5, talent=TalentInfo(instanceId=-9223372036854775808L, classId=7, "
        rb"boundHeroClassId=None), data='\xd0\x94\xd0\xb0 \'), packet_id=5', auid=9223372036854775807L, operation=-1)]",
    )
    [event] = call.events
    assert call.method == "TalentChange"
    assert (event.auid, event.operation, event.timestamp) == (2**63 - 1, -1, 5)
    assert event.data == "Да '), packet_id=5"
    assert (event.talent.instanceId, event.talent.boundHeroClassId) == (-(2**63), None)


def test_every_kind_of_field_arrives() -> None:
    """Double, binary, set, list of structs, small integers, map of lists, None; and the IDL's own default."""
    [event] = there(
        WIRE,
        "Odds",
        rb"[OddsAndEnds(id=1L, share=1e+16, blob='\xff\x00', marks=set([3, 1]), small=-32768, tiny=127, "
        rb"talents=[TalentInfo(classId=1, instanceId=2, boundHeroClassId=3)], groups={5L: ['a', u'\u0414']}, "
        rb"resources=None)]",
    ).events
    assert (event.id, event.share, event.blob, sorted(event.marks)) == (1, 1e16, b"\xff\x00", [1, 3])
    assert (event.small, event.tiny, event.level, event.resources) == (-32768, 127, 7, None)
    assert [one.classId for one in event.talents] == [1]
    assert event.groups == {5: ["a", "Д"]}


def test_bytes_that_are_not_utf8_arrive_as_they_were() -> None:
    """A name cut in the middle of a character was sent like that by the agent, too."""
    [event] = there(WIRE, "ChatMessages", rb"[ChatMessageInfo(auid=1, timestamp=1, channel='\xd0', message='')]").events
    assert (event.channel, event.message) == (b"\xd0", "")


def test_several_types_share_a_method() -> None:
    """The map of methods says which; a type without method is named as unknown."""
    data = b"[OperationInfo(auid=1, timestamp=2, operation='ban', reason=None)]"
    assert there(WIRE, "BanUser", data).method == there(WIRE, "MuteUser", data).method == "GMUserOperation"
    with pytest.raises(UnknownType, match="no method for the type UnbanUser"):
        there(WIRE, "UnbanUser", data)


CHAT = "ChatMessageInfo(auid=1L, timestamp={}, channel={}, message='')"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (f"[{CHAT.format(2**31, repr('a'))}]", r"event 1\.timestamp is 2147483648, which does not fit into 32 bits"),
        (f"[{CHAT.format(1, repr('a'))}, {CHAT.format(repr('1'), repr('a'))}]", r"event 2\.timestamp is text"),
        (f"[{CHAT.format(True, repr('a'))}]", r"event 1\.timestamp is a truth value, and the IDL wants an i32"),
        (f"[{CHAT.format(1.0, repr('a'))}]", r"event 1\.timestamp is a decimal number"),
        (f"[{CHAT.format(1, 5)}]", r"event 1\.channel is a whole number, and the IDL wants a string"),
        (
            "[ChatMessageInfo(auid=1L, timestamp=1, channel='a')]",
            r"event 1 lacks message, and default\.ChatMessageInfo",
        ),
        ("[ChatMessageInfo(auid=1, timestamp=1, channel='', message='', colour=1)]", r"has fields .* not .*: colour"),
        ("[LoginInfo(auid=1)]", r"event 1 is a LoginInfo, and the IDL wants a ChatMessageInfo"),
        ("[{'auid': 1}]", r"event 1 is a dict, and the IDL wants a ChatMessageInfo"),
        ("[ChatMessageInfo(auid=1, timestamp=1, channel='a', message='']", r"cannot be read: .* at byte 61"),
        ("{}", "not a list"),
    ],
)
def test_what_does_not_fit_is_named(data: str, reason: str) -> None:
    """Out of range, wrong type, unknown field, missing field, wrong struct, broken text: the event, the field, why."""
    with pytest.raises(Unfit, match=reason):
        there(WIRE, "ChatMessages", data.encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("[OddsAndEnds(id=None, share=1.0)]", r"event 1\.id is None, and the IDL requires a value"),
        ("[OddsAndEnds(id=1, share='x')]", r"share is text, and the IDL wants a double"),
        ("[OddsAndEnds(id=1, share=None, blob=None, marks=[1])]", r"marks is a list, and the IDL wants a set"),
        ("[OddsAndEnds(id=1, share=None, blob=None, marks=None, talents=[1])]", r"talents\[0\] is a whole number"),
    ],
)
def test_what_does_not_fit_deep_inside_is_named(data: str, reason: str) -> None:
    """The place inside lists and structs."""
    with pytest.raises(Unfit, match=reason):
        there(WIRE, "Odds", data.encode())


def test_a_default_fills_what_an_older_agent_lacks() -> None:
    """Configured by struct and field; None leaves the field out."""
    wire = thrift_wire(IDL, {}, {"ChatMessageInfo.message": b"hello", "ChatMessageInfo.channel": None})
    [event] = there(wire, "ChatMessages", b"[ChatMessageInfo(auid=1, timestamp=2)]").events
    assert (event.message, event.channel) == ("hello", None)


def test_a_wrong_idl_or_map_is_said_at_once(tmp_path: Path) -> None:
    """Before anything is sent: a file that is missing or no IDL, a method or field it does not have."""
    with pytest.raises(KeeperError, match="cannot read the IDL"):
        thrift_wire(tmp_path / "none.thrift", {}, {})
    bad = tmp_path / "bad.thrift"
    bad.write_text("struct {")
    with pytest.raises(KeeperError, match="cannot be understood"):
        thrift_wire(bad, {}, {})
    with pytest.raises(KeeperError, match=r"method\.BanUser: .* has no method Nope"):
        thrift_wire(IDL, {"BanUser": "Nope"}, {})
    with pytest.raises(KeeperError, match=r"default\.ChatMessageInfo\.colour"):
        thrift_wire(IDL, {}, {"ChatMessageInfo.colour": 1})


_texts = st.one_of(st.text(st.characters(codec="utf-8")), st.binary())
_talents = st.builds(
    lambda c, i: Struct("TalentInfo", {"classId": c, "instanceId": i, "boundHeroClassId": None}),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1),
)
_odds = st.fixed_dictionaries(
    {
        "id": st.integers(-(2**63), 2**63 - 1),
        "share": st.one_of(st.none(), st.floats()),
        "blob": st.binary(),
        "marks": st.sets(st.integers(-(2**31), 2**31 - 1)),
        "talents": st.lists(_talents, max_size=4),
        "small": st.integers(-(2**15), 2**15 - 1),
        "tiny": st.integers(-128, 127),
        "level": st.integers(-(2**31), 2**31 - 1),
        "groups": st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.lists(_texts, max_size=3), max_size=3),
        "resources": st.none(),
    }
)


def _plain(value: Any) -> Any:
    """A text as the other side shows it: UTF-8 bytes and text are one."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


@given(fields=_odds)
def test_any_values_arrive(fields: dict[str, Any]) -> None:
    """Whatever fits the IDL is the same on the other side."""
    body = WIRE.encode("Odds", [Struct("OddsAndEnds", fields)])
    [event] = decode(Request(0.0, "/", {"Idempotency-Key": f'"a/1/{"0" * 32}"'}, body, 0)).events
    for name in ("id", "small", "tiny", "level", "blob"):
        assert getattr(event, name) == fields[name]
    share = fields["share"]
    assert event.share is None if share is None else struct.pack(">d", event.share) == struct.pack(">d", share)
    assert set(event.marks) == fields["marks"]
    assert [vars(one)["instanceId"] for one in event.talents] == [one.fields["instanceId"] for one in fields["talents"]]
    assert event.groups == {key: [_plain(text) for text in texts] for key, texts in fields["groups"].items()}


def test_json_has_the_shape_services_use() -> None:
    """The type, then one object an event; text is UTF-8; defaults are added."""
    wire = JsonWire({"BanUser": "GMUserOperation"}, {"Op.reason": b"none"})
    body = wire.encode(
        "BanUser", events_of(rb"[Op(auid=123L, nick='\xd0\x94', more={1: u'\u0414', 'a': [None, 1.5]})]")
    )
    assert json.loads(body) == {
        "GMUserOperation": [{"auid": 123, "nick": "Д", "more": {"1": "Д", "a": [None, 1.5]}, "reason": "none"}]
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (rb"[Op(nick='\xd0')]", r"event 1\.nick is not UTF-8"),
        (b"[Op(share=nan)]", r"event 1\.share is nan, which JSON cannot say"),
        (b"[Op(m={1: 2, '1': 3})]", "keys that are one and the same"),
        (b"[Op(m={None: 2})]", "a key of event 1.m is None"),
    ],
)
def test_what_json_cannot_say_is_named(data: bytes, reason: str) -> None:
    """Bytes, not-a-number, keys that would fall together."""
    with pytest.raises(Unfit, match=reason):
        JsonWire({}, {}).encode("Op", events_of(data))


def test_a_set_is_sent_in_one_order() -> None:
    """The same packet is the same bytes each time, in every process: numbers by size, texts by letter."""
    body = JsonWire({}, {}).encode("Op", events_of(b"[Op(a=set([10, 9, -1]), b=set(['b', 'a', 'c']))]"))
    assert json.loads(body) == {"Op": [{"a": [-1, 9, 10], "b": ["a", "b", "c"]}]}


def test_a_body_may_take_back_what_200_says() -> None:
    """A page, a Thrift exception, JSON that says no; anything else is a void method's answer, which nobody reads."""
    page = Reply(200, b"<html>Maintenance</html>", "text/html")
    assert "a page" in WIRE.doubt(page)
    assert "a page" in JsonWire({}, {}).doubt(page)
    assert "Thrift exception" in WIRE.doubt(Reply(200, b"\x80\x01\x00\x03\0\0\0\1x", "application/x-thrift"))
    for fine in (b"", b"ok", b"\x80\x01\x00\x02\0\0\0\1x\0\0\0\0\0"):
        assert WIRE.doubt(Reply(200, fine)) == ""
    assert "says no" in JsonWire({}, {}).doubt(Reply(200, b'{"ok": 0}'))
    assert "says no" in JsonWire({}, {}).doubt(Reply(200, b'{"error": "full"}'))
    for fine in (b"", b'{"server": "x", "ok": 1, "packet_id": 5, "dup": 1}', b"[1]", b"ok"):
        assert JsonWire({}, {}).doubt(Reply(200, fine)) == ""
