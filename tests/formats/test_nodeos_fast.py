"""The fast way reads what the careful way reads, however the bytes are cut, and no bytes do any harm."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.event import Event
from keeper.formats.nodeos import NodeosFormat
from tests.formats.samples import RECORDINGS, SEEN, recording, samples

LINES = (
    *recording("A").splitlines()[:20],
    *recording("A").splitlines()[-200:-120],
    *recording("net").splitlines()[-20:],
    *(line for sample in samples() for line in sample.line.split(b"\n")),
)
FRAGMENTS = (
    b"",
    b"\r",
    b"\0",
    b"\x1b[31m",
    b"\xff\xfe",
    b"\xe2\x94\x82 ",
    b"\n",
    b"\n\n",
    b"<6>",
    b"eos   | ",
    b"Jan 15 18:15:50 host nodeos[23]: ",
    b"2026-11-20T20:19:00.123456789Z ",
    b"info  2026-11-20T20:19:00.000 ",
    b"info  2026-13-20T20:19:00.000 nodeos    a.cpp:1     f ] Received block ",
    b"] Received block ",
    b" latency: 7 ms]",
    b", latency: , latency: -9 ms, lib: 5",
    b"[(a,b)->c]: CONSOLE OUTPUT BEGIN =====================\n",
    b"\n[(a,b)->c]: CONSOLE OUTPUT END   =====================\n",
    b'{"log":"',
    b'\\n","stream":"stderr"}',
    b'\n{"log":"no end","stream":"stderr"}\n',
    b'\n{"log":"info  2026-11-20T20:19:03.493 nodeos    main.cpp:1    main ] Producer paused.\\n","stream":"stderr"}\n',
    b"99999999999999999999",
    b"]",
)


@st.composite
def damaged_logs(draw: st.DrawFn) -> bytes:
    """Real lines in any order, some of them cut, overwritten or with something put in."""
    lines: list[bytes] = []
    for line in draw(st.lists(st.sampled_from(LINES), max_size=12)):
        start = draw(st.integers(0, len(line)))
        end = draw(st.one_of(st.just(start), st.integers(start, len(line))))
        damage = draw(st.one_of(st.just(line[start:end]), st.sampled_from(FRAGMENTS), st.binary(max_size=8)))
        lines.append(line[:start] + damage + line[end:])
    return b"".join(line + b"\n" for line in lines)


def events_of(form: NodeosFormat, chunks: list[bytes], *, careful: bool) -> tuple[list[Event], int, int]:
    parse = form.parse_carefully if careful else form.parse
    parsed = [parse(chunk, SEEN) for chunk in chunks]
    events = [event for part in parsed for event in part.events] + form.flush(SEEN)
    assert all(part.recognized + part.unrecognized == part.lines for part in parsed)
    return events, sum(part.lines for part in parsed), sum(part.recognized for part in parsed)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_whole_recording_reads_the_same_both_ways(name: str) -> None:
    """Real chunks of many blocks, larger than what is taken at a time."""
    data = [recording(name)]
    assert events_of(NodeosFormat(), data, careful=False) == events_of(NodeosFormat(), data, careful=True)


def test_all_samples_in_one_log_read_the_same_both_ways() -> None:
    """All generations mixed, so that every line follows every kind of line once in a hundred shuffles."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    shuffled = [sample.line for sample in samples()]
    for _ in range(100):
        random.Random(seed).shuffle(shuffled)
        data = [b"\n".join(shuffled) + b"\n"]
        assert events_of(NodeosFormat(), data, careful=False) == events_of(NodeosFormat(), data, careful=True)
        seed += 1


@given(damaged_logs())
@settings(max_examples=400, deadline=None)
def test_damaged_logs_read_the_same_both_ways(data: bytes) -> None:
    """Whatever happened to the lines, the fast patterns never see more or less than the careful reading."""
    assert events_of(NodeosFormat(), [data], careful=False) == events_of(NodeosFormat(), [data], careful=True)


@given(damaged_logs(), st.data())
@settings(max_examples=200, deadline=None)
def test_where_a_log_is_cut_into_chunks_does_not_matter(data: bytes, draw: st.DataObject) -> None:
    """Chunks end at any line end; exceptions, console output and dates go on across them."""
    ends = [index + 1 for index, byte in enumerate(data) if byte == 0x0A]
    cuts = sorted(draw.draw(st.sets(st.sampled_from(ends)))) if ends else []
    chunks = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert events_of(NodeosFormat(), chunks, careful=False) == events_of(NodeosFormat(), [data], careful=False)


@given(st.lists(st.binary(max_size=200), max_size=5))
@settings(max_examples=300, deadline=None)
def test_no_bytes_do_any_harm(chunks: list[bytes]) -> None:
    """Arbitrary bytes never raise, and every line is counted exactly once."""
    chunks = [chunk + b"\n" for chunk in chunks]
    _, lines, _ = events_of(NodeosFormat(), chunks, careful=False)
    assert lines == b"".join(chunks).count(b"\n")


@given(st.binary(max_size=200))
def test_an_unfinished_line_does_no_harm(data: bytes) -> None:
    """A source hands over complete lines; one that does not is read as well."""
    events_of(NodeosFormat(), [data], careful=False)


HOSTILE = (
    b"a",
    b" ",
    b"a ",
    b" a",
    b"a/",
    b"a.",
    b"1|a ",
    b"a | ",
    b"<6>",
    b"\x1b[",
    b"\x1b[1;",
    b"\0",
    b"\\",
    b'\\"',
    b'"',
    b"a:1 ",
    b"] ",
    b"latency: ",
    b" latency: 1 ms",
    b"\xe2\x94\x82 ",
    b'["a" 1:1] ',
    b"lib: 1 ",
    b'{"producer_name":"a"',
    b"2026-11-20T20:19:00.000 ",
)
BEGINNINGS = (
    b"",
    b"info  2026-11-20T20:19:00.000 ",
    b"info  2026-11-20T20:19:00.000 nodeos    a.cpp:1     f ] ",
    b"info  2026-11-20T20:19:00.000 nodeos    a.cpp:1     f ] Received block 02b9cbe75b9638a8... #2 @ "
    b"2026-11-20T20:19:00.000 signed by eosio [trxs: 0, lib: 1, ",
    b'error 2026-11-20T20:19:00.000 nodeos    a.cpp:1     f ] ["',
    b"info  2026-11-20T20:19:00.000 nodeos   a.cpp:1    f ] promoting proposed schedule (set in block 1) to pending; ",
    b"info  2026-11-20T20:19:00.000 nodeos    a.cpp:1     f ] switching forks from ",
    b"Jan 15 18:15:50 ",
    b'{"log":"',
    b"\xe2\x94\x82 ",
    b"[(",
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda b: b[:12] + b[-12:])
def test_a_line_of_a_mebibyte_costs_what_its_bytes_cost(beginning: bytes) -> None:
    """No pattern backtracks its way through a long hostile line: a quadratic one would take hours here."""
    form = NodeosFormat()
    for piece in HOSTILE:
        line = (beginning + piece * ((1 << 20) // len(piece)))[: (1 << 20) - 1] + b"\n"
        parsed = form.parse(line, SEEN)
        assert parsed.lines == 1
        form.flush(SEEN)
