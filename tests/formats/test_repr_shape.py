"""Counting the values of a logged list agrees with reading it one character at a time."""

from __future__ import annotations

import random

import pytest

from keeper.formats.repr_shape import count, elements

CLOSES = {"(": ")", "[": "]", "{": "}"}


def counted(text: str) -> int | None:
    """How many bracketed values a list holds, the slow way; None if the text is not one whole list."""
    opened: list[str] = []
    quote = ""
    number = 0
    skip = False
    for place, mark in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = mark == "\\"
            quote = "" if mark == quote else quote
        elif mark in "'\"":
            quote = mark
        elif mark in CLOSES:
            opened.append(CLOSES[mark])
            number += len(opened) == 2
        elif mark in ")]}" and (not opened or opened.pop() != mark or (not opened and place < len(text) - 1)):
            return None
    if quote or opened or text[:1] != "[" or text[-1:] != "]":
        return None
    return number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("[]", 0),
        ("[A(x=1)]", 1),
        ("[A(x=1), B(y=':)'), C()]", 3),
        ("[A(x='\\')(\\'')]", 1),
        ("[A(x=\"it's\"), A(x='\"')]", 2),
        ("[A(b=B(c=1)), A(b=B(c=2))]", 2),
        ("[A(b={'x': [B(c={})]}), A()]", 2),
        ("[{'a': ')'}]", 1),
        ("[A(x=1), A(y=')]", None),
        ("[A(x=1)], packet_id=5, [A(x=1)]", None),
        ("[A(x=1), A(y=2]", None),
        ("[A(x=1)", None),
        ("", None),
    ],
)
def test_values_of_a_list(text: str, number: int | None) -> None:
    assert count(text.encode()) == counted(text) == number


def test_random_texts_count_as_they_read(seed: int) -> None:
    """Quotes of both kinds, escaped or not, and brackets in and outside of strings, mostly in disorder."""
    chance = random.Random(seed)
    pieces = ["'", "''", '"', "\\", "\\'", "(", ")", "()", "(')')", "[", "]", "{}", "A('x')", '"it\'s"', "a", "Б"]
    whole = 0
    for _ in range(30_000):
        text = f"[{''.join(chance.choices(pieces, k=chance.randrange(9)))}]"
        number, found = counted(text), count(text.encode())
        assert found == number or (number == 0 and found is not None), text  # plain values are counted by their commas
        whole += number is not None
    assert whole > 1_000


def test_plain_values_of_a_list() -> None:
    assert count(b"['a', 'b', 'c,d', 5, None]") == 5


def test_the_texts_of_values() -> None:
    assert list(elements(b"[A(x='),'), B(y=[1, 2]),  C()]")) == [b"A(x='),')", b"B(y=[1, 2])", b"C()"]
