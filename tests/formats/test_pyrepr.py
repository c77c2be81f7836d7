"""Python 2 reprs into values: exactly, or the byte where reading stopped."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.formats.pyrepr import MAX_DEPTH, NotAValue, Struct, parse
from tests.delivery.python2 import Long, python2_repr

NAMES = st.sampled_from(["LoginInfo", "A", "talent", "_x1", "Resource_Table", "nan", "u", "set_"])
TRICKS = st.sampled_from(
    ["), packet_id=5", "], packet_id=7", "'", '"', "\\", "'\"", "\\'", "auid=1, ", "\x00", "Да", "x'"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**63), 2**63 - 1).map(Long)
    | st.floats(allow_nan=False)
    | st.binary(max_size=12)
    | st.text(max_size=12)  # any code point but surrogates
    | TRICKS
    | TRICKS.map(str.encode)
    | st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=3)
)
HASHABLE = st.integers() | st.binary(max_size=5) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
        | st.frozensets(HASHABLE | st.tuples(HASHABLE), max_size=4)
        | st.builds(Struct, NAMES, st.dictionaries(NAMES, inner, max_size=5))
        | st.builds(Struct, NAMES, st.just({}), st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=30,
)


def known(value: Any) -> Any:
    """The value with Python 2's two kinds of integers as one, as the parser gives it, and its types spelled out:
    1, 1.0 and True are equal in Python and different here."""
    if isinstance(value, Long):
        return "int", value.number
    if isinstance(value, list | tuple):
        return type(value).__name__, [known(item) for item in value]
    if isinstance(value, dict):
        return "dict", {repr(key): known(item) for key, item in value.items()}
    if isinstance(value, Struct):
        return value.name, {name: known(item) for name, item in value.fields.items()}, known(value.args)
    return type(value).__name__, value


@given(TREES)
@example(1e16)
@example([Struct("A", {"x": -0.0})])
def test_what_python_2_prints_is_read_exactly(tree: Any) -> None:
    """Any tree of values survives printing and reading, types included."""
    assert known(parse(python2_repr(tree).encode())) == known(tree)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"123L", 123),
        (b"-5", -5),
        (b"9223372036854775808L", 2**63),
        (b"1e+16", 1e16),
        (b"1.5e-07", 1.5e-7),
        (b"-inf", -math.inf),
        (b"b'\\xd0\\x94'", b"\xd0\x94"),
        (b"'\\xd0\\x94\\xd0\\xb0'", "Да".encode()),
        (b"u'\\u0414\\xe9\\U0001f600'", "Дé\U0001f600"),
        (b"u'\\ud83d'", "\ud83d"),
        (b"'\\\\n\\n\\t\\r\\'\"'", b"\\n\n\t\r'\""),
        (b'"it\'s"', b"it's"),
        (b"'\\0\\12\\1234'", b"\x00\n\x534"),
        (b"[]", []),
        (b"()", ()),
        (b"{}", {}),
        (b"(1,)", (1,)),
        (b"set([1, 2L])", {1, 2}),
        (b"set([])", set()),
        (b"frozenset([(1, 2)])", frozenset([(1, 2)])),
        (b"set([A(x=[])])", {Struct("A", {"x": []})}),
        (b"A()", Struct("A", {})),
        (b" [ 1 ,2 ] ", [1, 2]),
        (b"HTTPError('HTTP 599: Timeout',)", Struct("HTTPError", {}, (b"HTTP 599: Timeout",))),
        (b"datetime.datetime(2015, 1, 23)", Struct("datetime.datetime", {}, (2015, 1, 23))),
        (
            b"A(b=B(c=[None, True], d={u'k': 1.5}))",
            Struct("A", {"b": Struct("B", {"c": [None, True], "d": {"k": 1.5}})}),
        ),
    ],
)
def test_examples(text: bytes, value: Any) -> None:
    """Each kind of value as the agent prints it."""
    assert known(parse(text)) == known(value)


def test_not_a_number_is_one_value() -> None:
    """nan is read as nan, although it equals nothing."""
    assert math.isnan(parse(b"[nan]")[0])


def test_the_order_of_fields_means_nothing() -> None:
    """Older agents print fields in the order of a hash table."""
    assert parse(b"A(x=1, y='2')") == parse(b"A(y='2', x=1)")


@pytest.mark.parametrize(
    ("text", "offset", "says"),
    [
        (b"", 0, "ends where a value"),
        (b"[1, ", 4, "ends where a value"),
        (b"[1", 2, "ends where `,` or `]`"),
        (b"[1 2]", 3, "`,` or `]` expected"),
        (b"[1}", 2, "`,` or `]` expected"),
        (b"{1: 2, 3}", 8, "`:` expected"),
        (b"{1, 2}", 2, "`:` expected"),
        (b"[1: 2]", 2, "expected"),
        (b"[1,]", 3, "a value expected"),
        (b"[,]", 1, "a value expected"),
        (b"(1)", 2, "comma"),
        (b"(1, 2,)", 6, "a value expected"),
        (b"1 2", 1, "ends before the text"),
        (b"'abc", 4, "does not end"),
        (b"['ab\xd0\x94']", 4, "0xd0"),
        (b"'a\x00'", 2, "0x00"),
        (b"'\\q'", 1, "escape"),
        (b"'ab\\u0414'", 3, "escape"),
        (b"u'\\U00110000'", 2, "escape"),
        (b"u'\\N{DASH}'", 2, "escape"),
        (b"'\\xg0'", 1, "escape"),
        (b"'\\777'", 1, "escape"),
        (b"007", 0, "a value expected"),
        (b"12abc", 2, "ends before"),
        (b"1e+999", 0, "too large"),
        (b"9" * 401, 0, "400 characters"),
        (b"Foo", 0, "a value expected"),
        (b"Foo[1]", 0, "a value expected"),
        (b"A(b=<C object at 0x7f12>)", 4, "a value expected"),
        (b"A(x=1, x=2)", 10, "repeated"),
        (b"A(x=1, 2)", 8, "without a name"),
        (b"A(1, x=2)", 8, "repeated or stands behind"),
        (b"[x=1]", 4, "outside a struct"),
        (b"x=1", 0, "outside a struct"),
        (b"{[]: 1}", 0, "cannot be one"),
        (b"{1: 1, 1: 2}", 0, "repeated"),
        (b"set([[]])", 3, "cannot be in one"),
        (b"set([1, 1])", 3, "repeated"),
        (b"set(1)", 3, "something else than a list"),
        (b"__import__('os').system('true')", 16, "ends before"),
        (b"[1 + 1]", 3, "expected"),
    ],
)
def test_what_is_no_value_names_its_byte(text: bytes, offset: int, says: str) -> None:
    """The error has the offset where reading stopped and what is wrong there."""
    with pytest.raises(NotAValue, match=says) as caught:
        parse(text)
    assert caught.value.offset == offset, caught.value


def test_depth_is_bounded_and_says_so() -> None:
    """A hundred brackets inside each other are read, one more is refused; no recursion limit is met."""
    fits = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert python2_repr(parse(fits)).encode() == fits
    with pytest.raises(NotAValue, match="more than 100 brackets"):
        parse(b"[" + fits + b"]")
    with pytest.raises(NotAValue, match="more than 100 brackets"):
        parse(b"A(x=" * 1_000_000)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_not(data: bytes) -> None:
    """Nothing but NotAValue is ever raised, with an offset inside the text."""
    try:
        parse(data)
    except NotAValue as error:
        assert 0 <= error.offset <= len(data)


@given(
    st.lists(
        st.sampled_from(
            [
                b"'",
                b'"',
                b"\\",
                b"[",
                b"]",
                b"(",
                b")",
                b"{",
                b"}",
                b",",
                b", ",
                b":",
                b"=",
                b"a",
                b"u",
                b"set",
                b"1",
                b"L",
                b"e+1",
                b".5",
                b"-",
                b"nan",
                b"None",
                b" ",
                b"\xff",
                b"x41",
            ]
        ),
        max_size=40,
    )
)
def test_shuffled_pieces_of_reprs_never_crash(pieces: list[bytes]) -> None:
    """The same for texts that look like reprs in places."""
    try:
        parse(b"".join(pieces))
    except NotAValue as error:
        assert 0 <= error.offset <= len(b"".join(pieces))


@given(TREES, st.data())
def test_a_cut_repr_is_refused(tree: Any, data: st.DataObject) -> None:
    """Whatever is cut off a list in a log line is missed: no beginning of it is a value."""
    text = python2_repr([tree]).encode()
    with pytest.raises(NotAValue):
        parse(text[: data.draw(st.integers(0, len(text) - 1))])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        b"'" + b"\\xd0\\x94" * 600_000 + b"'",
        b"'" + b"\\'" * 2_500_000,
        b"'" * 5_000_000,
        b"[" + b"[],[]," * 100_000,
        b"1" * 5_000_000,
        b"u" * 5_000_000,
        b" " * 5_000_000,
        b"A(" + b"x=" * 2_500_000,
        b"{" * 5_000_000,
        b"[" + b"1.5, " * 100_000 + b"]",
    ],
    ids=lambda text: repr(text[:10]),
)
def test_hostile_text_takes_linear_time(text: bytes) -> None:
    """Megabytes made to be gone over again and again are refused, or read, in seconds."""
    try:
        parse(text)
    except NotAValue as error:
        assert 0 <= error.offset <= len(text)


@pytest.mark.timeout(60)
def test_a_packet_of_five_megabytes(seed: int) -> None:
    """Large packets are read like small ones."""
    chance = random.Random(seed)
    packet = [
        Struct(
            "Chat", {"auid": chance.getrandbits(60), "message": chance.randbytes(5_000), "flag": chance.random() < 0.5}
        )
        for _ in range(400)
    ]
    text = python2_repr(packet).encode()
    assert len(text) > 5_000_000
    assert parse(text) == packet
