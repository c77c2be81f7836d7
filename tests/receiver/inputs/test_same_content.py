"""The same events are the same packet, whichever way they come: none is stored twice for that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.delivery.wire import events_of
from keeper.delivery.wire_json import JsonWire
from keeper.delivery.wire_thrift import thrift_wire
from keeper.formats.pyrepr import Struct
from keeper.receiver.inputs.json_packets import JsonInput
from keeper.receiver.packet import content_of
from tests.delivery.statistics_server import IDL
from tests.receiver.inputs.thrift_calls import AT, THRIFT, idl, written

METHODS = {"BanUser": "GMUserOperation"}
THRIFT_WIRE = thrift_wire(IDL, METHODS, {})
JSON_WIRE = JsonWire(METHODS, {})


def stored(read: Any) -> tuple[str, bytes]:
    [said] = read.packets
    return said.type, content_of(said)


def both(key: str, events: list[Any]) -> tuple[str, bytes]:
    """What a resend by Thrift and one by JSON come to."""
    by_thrift = stored(THRIFT.read(THRIFT_WIRE.encode(key, events), AT))
    by_json = stored(JsonInput().read(JSON_WIRE.encode(key, events), AT + 1000))
    assert by_thrift == by_json
    return by_thrift


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("ChatMessages", rb"[ChatMessageInfo(timestamp=1422020878, auid=1L, channel='\xd0\x94', message=u'\u0414')]"),
        ("BanUser", b"[OperationInfo(auid=1, timestamp=2, operation='ban', reason=None)]"),
        (
            "TalentChange",
            b"[TalentChangeInfo(auid=9223372036854775807L, talent=TalentInfo(classId=1, instanceId=2L, "
            b"boundHeroClassId=None), operation=-1, timestamp=5, data='')]",
        ),
        (
            "Odds",
            b"[OddsAndEnds(id=1, share=5, blob='abc', marks=set([30, -4, 200]), talents=[], small=1, tiny=2, level=3, "
            b"groups={5: ['a', 'b'], -1: []}, resources=None)]",
        ),
        (
            "Odds",
            b"[OddsAndEnds(id=1, share=1e+16, blob=None, marks=None, talents=None, small=None, tiny=None, level=7, "
            b"groups=None, resources=ResourceTable(Gold=1, Silver=None, Perl=None, RedPerl=None, Population=None, "
            b"Resource1=None, Resource2=None, Resource3=None, CWPoints_Player=None, Shard=None, "
            b"Currencies={'x': 1, u'\\u0414': 2}))]",
        ),
    ],
)
def test_a_resend_is_the_same_packet_by_thrift_and_by_json(key: str, data: bytes) -> None:
    """None is not sent; whole doubles; sets and maps in any order; bytes and text."""
    assert both(key, events_of(data))[0] == METHODS.get(key, key)


def test_a_resend_is_the_packet_that_the_agent_sent() -> None:
    """What thriftpy2 wrote of the values, and what keeper writes of their reprs in the log."""
    talent = idl.TalentInfo(classId=1, instanceId=2)
    row = idl.TalentChangeInfo(auid=1, talent=talent, operation=3, timestamp=1422020878, data=b"\xd0\x94")
    data = (
        rb"[TalentChangeInfo(data='\xd0\x94', operation=3, timestamp=1422020878, auid=1L, "
        b"talent=TalentInfo(instanceId=2L, classId=1, boundHeroClassId=None))]"
    )
    sent = stored(THRIFT.read(written("TalentChange", [row]), AT))
    assert both("TalentChange", events_of(data)) == sent


def test_content_does_not_depend_on_when_a_packet_came() -> None:
    """Its time may be wild at one moment and not at another, its content is the same."""
    body = written("ChatMessages", [idl.ChatMessageInfo(auid=1, timestamp=1422020878)])
    early, late = THRIFT.read(body, 0.0), THRIFT.read(body, AT)
    assert early.packets[0].events[0].time is None
    assert late.packets[0].events[0].time == 1422020878.0
    assert stored(early) == stored(late)


_I32, _I64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(st.characters(codec="utf-8"))
_TALENTS = st.builds(
    lambda number, other: Struct(
        "TalentInfo", {"classId": number, "instanceId": other, "boundHeroClassId": None}
    ),
    _I32,
    _I64,
)  # fmt: skip


@given(
    fields=st.fixed_dictionaries(
        {
            "id": _I64,
            "share": st.one_of(st.none(), _I32, st.floats(allow_nan=False, allow_infinity=False)),
            "blob": _TEXT,
            "marks": st.sets(_I32),
            "talents": st.lists(_TALENTS, max_size=3),
            "small": st.integers(-(2**15), 2**15 - 1),
            "tiny": st.integers(-128, 127),
            "level": _I32,
            "groups": st.dictionaries(_I64, st.lists(_TEXT, max_size=3), max_size=3),
            "resources": st.none(),
        }
    )
)
def test_any_values_are_the_same_packet(fields: dict[str, Any]) -> None:
    """Whatever both can say."""
    both("Odds", [Struct("OddsAndEnds", fields)])
