"""OpenTSDB's put lines into packets."""

from __future__ import annotations

import re

import pytest

from keeper.core.point import Point, Series, line
from keeper.opentsdb.put import telnet
from keeper.receiver.inputs.put import PutInput
from keeper.receiver.packet import Event, Malformed, Said

AT = 1_800_000_000.0
PUT = PutInput(1000)


def test_each_metric_is_a_packet() -> None:
    """Its points are its events, each with its own time."""
    body = (
        b"put df.used 1422020878 5 host=a dir=/x\r\nput load 1422020878123 0.5 host=a\n\nput\tdf.used  1 -1e3 host=b \n"
    )
    assert PUT.read(body, AT).packets == [
        Said(
            "df.used",
            [
                Event(1422020878.0, b'{"tags":{"dir":"/x","host":"a"},"timestamp":1422020878,"value":5}'),
                Event(None, b'{"tags":{"host":"b"},"timestamp":1,"value":-1000}'),
            ],
        ),
        Said("load", [Event(1422020878.123, b'{"tags":{"host":"a"},"timestamp":1422020878123,"value":0.5}')]),
    ]


def test_what_keeper_sends_to_a_tsd_is_read() -> None:
    """Its telnet lines, with milliseconds in its own way."""
    series = Series("df.used", (("host", "a"),))
    points = [line(Point(series, at, value)).encode() for at, value in ((1422020878000, 5), (1422020878123, 0.25))]
    [said] = PUT.read(telnet(points), AT).packets
    assert said.events == [
        Event(1422020878.0, b'{"tags":{"host":"a"},"timestamp":1422020878,"value":5}'),
        Event(1422020878.123, b'{"tags":{"host":"a"},"timestamp":1422020878.123,"value":0.25}'),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"df.used 1422020878 5 host=a", "it is not `put metric timestamp"),
        (b"put df.used 1422020878 5", "it is not `put metric timestamp"),
        (b"put df.used yesterday 5 host=a", "it is not `put metric timestamp"),
        (b"put df.used -5 5 host=a", "it is not `put metric timestamp"),
        (b"put df.used 1422020878 5 host", "it is not `put metric timestamp"),
        (b"put df.used 1422020878 5 =a", "it is not `put metric timestamp"),
        (b"put df\xd0 1422020878 5 host=a", "it is not `put metric timestamp"),
        (b"put df\0 1422020878 5 host=a", "it is not `put metric timestamp"),
        (b"put df.used 1422020878 nan host=a", "it is not `put metric timestamp"),
        (b"put df.used 1422020878 1e999 host=a", "its value is no finite number"),
        (b"put df.used 1422020878 1-1 host=a", "its value is no finite number"),
        (b"put df.used 1422020878 5 host=a host=b", "it has a tag twice"),
        (b"put " + b"x" * 201 + b" 1 5 host=a", "it is not `put metric timestamp"),
        (b"put df.used 1 5 host=" + b"x" * 1000, "it is longer than 1000 bytes"),
        (b"x" * 100_000, "it is longer than 1000 bytes"),
        (b"version", "it is not `put metric timestamp"),
    ],
    ids=lambda value: value.decode("ascii", "backslashreplace")[:40] if isinstance(value, bytes) else "",
)
def test_a_bad_line_is_left_out_and_said(text: bytes, reason: str) -> None:
    """By its number and what is wrong; the lines around it are taken."""
    good = b"put a 1422020878 5 host=a\n"
    read = PUT.read(good + text + b"\n" + good, AT)
    assert len(read.packets[0].events) == 2
    assert read.wrong == 1
    assert re.match(f"line 2: {reason}", read.why[0])
    with pytest.raises(Malformed, match="no line is good"):
        PUT.read(text, AT)
