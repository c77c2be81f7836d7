"""JSON of strangers: a value, or the reason why not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.formats.json_answer import NotUnderstood, decode, field, one_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.just("a"), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the answer is empty"),
        (b" \n", "the answer is empty"),
        (b'{"a": "\xff"}', "the answer is not UTF-8 text (byte 7)"),
        (b"[" * 100_000, "the answer is JSON nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "the answer is JSON nested too deeply"),
        (b'{"a": NaN}', "the answer holds NaN, which is not JSON"),
        (b"-Infinity", "the answer holds -Infinity, which is not JSON"),
        (b"7" * 5_000, "the answer is not valid JSON, it begins '" + "7" * 59 + "…'"),
        (b'{"a": 1', "the answer is not valid JSON, it begins '{\"a\": 1'"),
        (
            b"<html>\r\n<title>\x1b[31m502</title>",
            "the answer is not valid JSON, it begins '<html> <title> [31m502</title>'",
        ),
    ],
    ids=range(10),
)
def test_bodies_that_are_no_json_say_why(body: bytes, reason: str) -> None:
    """Whatever is wrong with a body becomes one sentence that shows its beginning in printable characters."""
    with pytest.raises(NotUnderstood) as raised:
        decode(body)
    assert str(raised.value) == reason


@given(JSON)
def test_json_is_decoded(value: object) -> None:
    """Every JSON value comes back as it was sent, but for NaN and infinities, which are refused."""
    text = json.dumps(value)
    if "NaN" in text or "Infinity" in text:
        try:
            decode(text.encode())
        except NotUnderstood:
            return
        # the words stood inside of a text
    assert json.dumps(decode(text.encode())) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("height", "12"),
        ("result.head.id", "ab"),
        ("result.list.1", "true"),
        ("result.list.2.x", "1.5"),
        ("nothing", "null"),
        ("large", "18446744073709551616"),
    ],
)
def test_a_field_is_read_as_text(path: str, text: str) -> None:
    """A path goes through objects by name and through arrays by number and yields the value's text."""
    value = {
        "height": 12,
        "result": {"head": {"id": "ab"}, "list": [0, True, {"x": 1.5}]},
        "nothing": None,
        "large": 2**64,
    }
    assert field(value, path) == text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no", "the answer has no field no"),
        ("a.b.c", "a.b is a number and has no field c"),
        ("a", "a is an object, not a single value"),
        ("l.2", "l is an array of 2 without element 2"),
        ("l.-1", "l is an array of 2 without element -1"),
        ("l.²", "l is an array of 2 without element ²"),
        ("l." + "9" * 5_000, "l is an array of 2 without element " + "9" * 5_000),
        ("big", "big is a number too large to compare"),
        ("long", "long has 201 characters, more than 200"),
    ],
    ids=range(9),
)
def test_a_missing_field_says_where_the_path_ends(path: str, reason: str) -> None:
    """A path that leads nowhere says how far it led, and a value that would have to be cut is none."""
    value = {"a": {"b": 1}, "l": [1, 2], "big": float("inf"), "long": "x" * 201}
    with pytest.raises(NotUnderstood) as raised:
        field(value, path)
    assert str(raised.value) == reason


@given(JSON, st.text(max_size=8) | st.sampled_from(["a", "a.a", "0", "a.0", "0.a", ".", ""]))
def test_a_field_is_found_or_not_understood(value: object, path: str) -> None:
    """No value and no path makes reading a field fail in another way."""
    try:
        assert len(field(value, path)) <= 200
    except NotUnderstood as error:
        assert str(error)


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_strangers_text_is_made_harmless(text: str, limit: int) -> None:
    """What a stranger wrote is shown on one line, printable, and not longer than allowed."""
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()
