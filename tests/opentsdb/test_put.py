"""Points as bytes, and a TSD's words as reasons. The words are OpenTSDB's (PutDataPointRpc, Tags, UniqueId)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.opentsdb.blame import blame
from keeper.opentsdb.outcome import Refused
from keeper.opentsdb.put import json_array, key, point, read_complaint, read_details, read_error, telnet


def test_telnet() -> None:
    """Milliseconds get a point, which OpenTSDB reads as milliseconds and every VictoriaMetrics as seconds at least."""
    assert telnet([b"a.b 1700000000 1 x=y", b"c 1700000000123 -1.5e3 x=y z=1"]) == (
        b"put a.b 1700000000 1 x=y\nput c 1700000000.123 -1.5e3 x=y z=1\n"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1", "1"),
        ("-7", "-7"),
        ("+5", "5"),
        ("007", "7"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1e3", "1000.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9.223372036854775808e+18"),
    ],
)
def test_json_numbers(value: str, written: str) -> None:
    """Numbers as JSON writes them; an integer only where a TSD's has room for it."""
    body = json_array([point(b"m 1700000000123 %s host=a b=c" % value.encode())])
    [read] = json.loads(body)
    assert read == {
        "metric": "m",
        "timestamp": 1700000000123,
        "value": json.loads(written),
        "tags": {"host": "a", "b": "c"},
    }
    assert type(read["value"]) is type(json.loads(written))


@pytest.mark.parametrize(
    "line", [b"m 1 nan a=b", b"m 1 1e400 a=b", b"m 1.5 1 a=b", b"m 1 1", b"m 1 1 a", b"", b"\xff 1 1 a=b"]
)
def test_what_is_not_a_point_never_gets_into_an_array(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        point(line)


LINES = [b"a 1 1 host=x", b"b 1 zz host=y", b"a 1 2 host=y", b"b 1 3 host=w", b"c 1 4 host=u!"]


@pytest.mark.parametrize(
    ("said", "blamed"),
    [
        (b"put: unknown metric: No such name for 'metrics': 'b'", LINES[1]),
        (b"put: unknown metric: No such name for 'tagv': 'w'", LINES[3]),
        (b'put: invalid value: For input string: "zz"', LINES[1]),
        (b'put: illegal argument: Invalid tag value ("u!"): illegal character: !', LINES[4]),
        (b"put: illegal argument: invalid tag: host=u!", LINES[4]),
        (b"put: illegal argument: not enough arguments (need least 4, got 3)", b""),
    ],
)
def test_a_complaint_finds_its_point(said: bytes, blamed: bytes) -> None:
    complaint = read_complaint(said)
    assert not complaint.passing
    assert not complaint.foreign
    assert blame(LINES, [complaint]) == (Refused(blamed, said.removeprefix(b"put: ").decode()),)


def test_each_complaint_blames_another_point() -> None:
    """Two about one metric are about its first two points; there are never more than points."""
    complaint = read_complaint(b"put: unknown metric: No such name for 'metrics': 'b'")
    assert [refused.line for refused in blame(LINES, [complaint] * 9)] == [LINES[1], LINES[3], b"", b"", b""]


@pytest.mark.parametrize(
    "said",
    [
        b"put: Please throttle writes: 10000 RPCs waiting on AsyncHBase",
        b"put: HBase error: Too many attempts",
        b"put: Throttling exception: x",
        b"put: Request timed out: y",
        b"put: Unexpected runtime exception: z",
    ],
)
def test_a_tsds_own_trouble_is_no_refusal(said: bytes) -> None:
    assert read_complaint(said).passing


def test_what_is_no_tsd_is_foreign() -> None:
    assert read_complaint(b"HTTP/1.1 400 Bad Request").foreign
    assert read_complaint(b"unknown command: put.  Try `help'.").foreign


def test_details() -> None:
    """The points an answer names are found again, though it writes values as text; those of its own trouble apart."""
    datapoint = {"metric": "m", "timestamp": 1, "value": "7", "tags": {"b": "2", "a": "1"}}
    errors: list[object] = [{"datapoint": datapoint, "error": "Unknown metric"}, {"error": 5}, "x"]
    errors.append({"datapoint": datapoint, "error": "Storage exception: x"})
    details = read_details(json.dumps({"success": 1, "failed": 2, "errors": errors}).encode())
    assert details is not None
    assert details.failed == 2
    assert details.refused == [(key(point(b"m 1 7 a=1 b=2")), "Unknown metric")]
    assert [why for _, why in details.passing] == ["Storage exception: x"]


def test_errors() -> None:
    """OpenTSDB's error object speaks for a TSD; another text may be anybody's."""
    body = b'{"error":{"code":400,"message":"One or more data points had errors","details":"see logs","trace":"..."}}'
    assert read_error(body) == ("One or more data points had errors (see logs)", True)
    assert read_error(b"bad\x00 gateway\n") == ("bad gateway", False)
    assert read_error(b"") == ("", False)


WORDS = st.binary(max_size=300) | st.from_regex(rb'(put: |\{"(errors|error|failed)":).*', fullmatch=True)


@given(WORDS)
def test_no_words_of_a_tsd_break_anything(said: bytes) -> None:
    read_details(said)
    read_error(said)
    blame(LINES, [read_complaint(said)])
