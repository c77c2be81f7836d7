"""Lines `PROD DATE DATA`: what is good is kept as it came, what is bad is counted and said."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.packet import Event, Malformed, Said

LINES = LinesInput(1000)


def test_each_prod_is_a_packet() -> None:
    """Its lines are its events, in their order; they have no time of their own."""
    body = b"web 2026-03-01 GET /\ndb-1 2026-03-01 slow\nweb 2026-02-28  two blanks \n"
    first, second = Event(None, b'{"data":"GET /","date":"2026-03-01"}'), b'{"data":" two blanks ","date":"2026-02-28"}'
    assert LINES.read(body, 0.0).packets == [
        Said("web", [first, Event(None, second)]),
        Said("db-1", [Event(None, b'{"data":"slow","date":"2026-03-01"}')]),
    ]


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"a 2026-03-01 x", ["x"]),
        (b"a 2026-03-01 x\r\na 2026-03-01 y\r", ["x", "y"]),
        (b"\n\r\n\na 2026-03-01 x\n\n", ["x"]),
        (b"a 2026-03-01 \n", [""]),
        (b"a 2026-03-01 x\ry\0z\n", ["x\ry\0z"]),
        (b"a 2026-03-01 \xd0\x94\xd0\n", ["Д\udcd0"]),
        ("a 2024-02-29 x\u2028\x85y\n".encode(), ["x\u2028\x85y"]),
        (b"a 2026-03-01 " + b"x" * 987, ["x" * 987]),
        (b"a 2026-03-01 " + b"x" * 987 + b"\r\n", ["x" * 987]),
        (b"", []),
        (b"\n\n", []),
    ],
)
def test_data_is_kept_as_it_came(body: bytes, data: list[str]) -> None:
    """Whatever ends the lines; empty lines are none; NUL and broken UTF-8 are data."""
    read = LINES.read(body, 0.0)
    assert [json.loads(e.fields)["data"] for said in read.packets for e in said.events] == data
    assert read.wrong == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"../a 2026-03-01 x", "its PROD is no name"),
        (b".. 2026-03-01 x", "its PROD is no name"),
        (b"/etc/passwd 2026-03-01 x", "its PROD is no name"),
        (b"a/b 2026-03-01 x", "its PROD is no name"),
        (b"a\0 2026-03-01 x", "its PROD is no name"),
        (b"\xd0\x94 2026-03-01 x", "its PROD is no name"),
        (b"a" * 64 + b" 2026-03-01 x", "its PROD is no name"),
        (b" a 2026-03-01 x", "its PROD is no name"),
        (b"a 2026-02-29 x", "its DATE is no day; write YYYY-MM-DD"),
        (b"a 2026-13-01 x", "its DATE is no day"),
        (b"a 0000-01-01 x", "its DATE is no day"),
        (b"a 20260301 x", "its DATE is no day"),
        (b"a ../../etc x", "its DATE is no day"),
        (b"a 2026-03-01/.. x", "its DATE is no day"),
        ("a ٢٠٢٦-03-01 x".encode(), "its DATE is no day"),
        (b"a  2026-03-01 x", "its DATE is no day"),
        (b"a", "its DATE is no day"),
        (b"a 2026-03-01", "there must be one blank behind DATE, and then DATA"),
        (b"a 2026-03-01\tx", "its DATE is no day"),
        (b"a 2026-03-01 " + b"x" * 988, "it is longer than 1000 bytes"),
        (b"x" * 100_000, "it is longer than 1000 bytes"),
    ],
    ids=lambda value: value.decode("ascii", "backslashreplace")[:30] if isinstance(value, bytes) else "",
)
def test_a_bad_line_is_left_out_and_said(line: bytes, reason: str) -> None:
    """By its number and what is wrong; the lines around it are taken. Where nothing is good, nothing is a packet."""
    read = LINES.read(b"a 2026-03-01 x\n" + line + b"\nb 2026-03-01 y\n", 0.0)
    assert [said.type for said in read.packets] == ["a", "b"]
    assert read.wrong == 1
    assert re.match(f"line 2: {reason}", read.why[0])
    assert len(read.why[0]) < 400
    with pytest.raises(Malformed, match=f"no line is good; line 1: {reason}"):
        LINES.read(line, 0.0)
    assert LINES.look(line).wrong == 1


def test_the_reasons_of_one_body_are_bounded() -> None:
    """The count goes on."""
    read = LINES.read(b"a 2026-03-01 x\n" + b"bad\n" * 50_000, 0.0)
    assert (read.wrong, len(read.why)) == (50_000, 20)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True),
            st.dates(),
            st.binary().filter(lambda data: b"\n" not in data and not data.endswith(b"\r")),
        ),
        max_size=20,
    )
)
def test_any_lines_are_read_as_they_are(lines: list[tuple[str, object, bytes]]) -> None:
    """Every byte of them comes back."""
    body = b"\n".join(b"%b %b %b" % (prod.encode(), str(day).encode(), data) for prod, day, data in lines)
    read = LinesInput(1 << 20).read(body, 0.0)
    assert read.wrong == 0
    for said in read.packets:
        events = [json.loads(event.fields) for event in said.events]
        expected = [(str(day), data) for prod, day, data in lines if prod == said.type]
        assert [(e["date"], e["data"].encode("utf-8", "surrogateescape")) for e in events] == expected
    assert sum(len(said.events) for said in read.packets) == len(lines)
