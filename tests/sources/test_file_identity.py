"""The position text, and knowing a file again."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.lines import LineSplitter
from keeper.sources.file_identity import HEAD, MARK, Place, Position, decode, digest, encode, encode_place, same_head
from keeper.sources.file_trail import at_once
from keeper.sources.log_file import open_log
from keeper.sources.log_reading import Match, Reading

sizes = st.integers(0, 1 << 62)
places = st.builds(
    Place,
    st.text(),
    sizes,
    sizes,
    st.integers(0, HEAD),
    st.text("0123456789abcdef"),
    st.just(0),
    st.text("0123456789abcdef"),
    sizes,
    sizes,
    sizes,
)
positions = st.builds(Position, st.text(), sizes, st.lists(places, max_size=4).map(tuple), st.none() | places)


@given(positions)
def test_there_and_back(position: Position) -> None:
    """A position survives its text, whatever is in its names."""
    text = encode(position.pattern, position.floor_ns, [encode_place(p) for p in position.before], position.at)
    assert decode(text) == position


@given(st.text() | positions.map(lambda p: json.dumps({"v": 1, **p._asdict()})))
def test_only_value_errors(text: str) -> None:
    """Any other text is refused with ValueError and nothing else."""
    try:
        decode(text)
    except ValueError as error:
        assert str(error)


@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000)), st.integers(0, 3))
def test_reading_in_pieces(content: bytes, cuts: list[int], nuls: int) -> None:
    """However the bytes arrive: the lines, the head, the mark and the offset are those of the whole."""
    content = b"\0" * nuls + content
    reading = Reading(1 << 20)
    lines = b""
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    for start, stop in pairwise(edges):
        lines += reading.take(content[start:stop])
    place = reading.place("x", (1, 2), 0, 0)
    text = content.lstrip(b"\0")
    assert lines == text[: text.rfind(b"\n") + 1]
    if text:
        assert place.offset == len(content) - len(text) + len(lines)
        assert same_head(text, place)
    assert digest(
        content[max(0, place.offset - MARK) : place.offset][-place.mark_size :] if place.mark_size else b""
    ) == (place.mark)
    splitter = LineSplitter()
    assert reading.flush() == splitter.feed(text[len(lines) :]) + splitter.flush()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda content: content, Match.HERE),
        (lambda content: content + b"more", Match.HERE),
        (lambda content: content[:1500], Match.SHORT),
        (lambda content: content[:500], Match.OTHER),
        (lambda content: b"x" + content[1:], Match.OTHER),
        (lambda content: content[:1999] + b"x", Match.OTHER),
        (
            lambda content: content[:1500] + b"x" + content[1501:],
            Match.HERE,
        ),  # neither in the head nor before the place
        (lambda content: b"", Match.OTHER),
    ],
)
def test_is_it_the_same(tmp_path: Path, change: object, match: Match) -> None:
    """Head and mark together tell a file from another, a longer and a shorter one."""
    path = tmp_path / "log"
    content = b"".join(b"line %06d\n" % n for n in range(200))[:2000]
    path.write_bytes(content)
    log = open_log(str(path), 1 << 20)
    log.look(1 << 20)
    log.reading.flush()
    place = log.place()
    log.close()
    path.write_bytes(change(content))  # type: ignore[operator]
    log = open_log(str(path), 1 << 20)
    assert at_once(log.resume(place)) is match
    log.close()
