"""Splitting a stream of bytes into complete lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.lines import LineSplitter

PIECES = st.lists(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\x00", b"\xff"])).map(b"".join), max_size=20)


def test_hands_out_complete_lines_and_holds_the_rest() -> None:
    """A line is handed out when its newline arrives; `pending` tells how far the safe position lags."""
    lines = LineSplitter()
    assert lines.feed(b"one\ntw") == b"one\n"
    assert lines.pending == 2
    assert lines.feed(b"o") == b""
    assert lines.pending == 3
    assert lines.feed(b"\nthree\n") == b"two\nthree\n"
    assert (lines.pending, lines.cut) == (0, 0)


def test_flush_ends_the_last_line() -> None:
    """The last line of a file without a newline gets one; a second flush has nothing."""
    lines = LineSplitter()
    lines.feed(b"tail")
    assert (lines.flush(), lines.flush(), lines.pending) == (b"tail\n", b"", 0)


def test_a_line_of_exactly_the_limit_is_whole_and_one_byte_more_is_cut() -> None:
    """The limit counts the newline."""
    lines = LineSplitter(4)
    assert (lines.feed(b"abc\n"), lines.cut) == (b"abc\n", 0)
    assert (lines.feed(b"abcd\nx\n"), lines.cut) == (b"abc\nx\n", 1)


def test_an_endless_line_is_held_only_up_to_the_limit() -> None:
    """Memory stays bounded while `pending` counts every byte of the unfinished line."""
    lines = LineSplitter(1024)
    for _ in range(100):
        assert lines.feed(b"x" * 1000) == b""
    assert lines.pending == 100_000
    assert lines.feed(b"y\nnext\n") == b"x" * 1023 + b"\nnext\n"
    assert (lines.cut, lines.pending) == (1, 0)


@given(PIECES, st.integers(2, 12))
def test_the_pieces_do_not_matter(pieces: list[bytes], limit: int) -> None:
    """Any cutting of the same bytes gives the same lines, the same cuts and an exact safe position."""
    lines = LineSplitter(limit)
    out = b""
    fed = b""
    for piece in pieces:
        out += lines.feed(piece)
        fed += piece
        assert lines.pending == len(fed) - (fed.rfind(b"\n") + 1)
    out += lines.flush()
    whole = fed.split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert out == b"".join(line[: limit - 1] + b"\n" for line in whole)
    assert lines.cut == sum(len(line) >= limit for line in whole)
