"""What is said by TCP, without a socket: which lines are asked about when, and what the answer is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.line_exchange import Asked, Batches, Exchange, Reads
from keeper.receiver.packet import LARGEST_ID, Malformed, id_of
from keeper.receiver.queues.queue import NotTaken

LINES = LinesInput(60)
A, B = b"a 2026-03-01 x\n", b"b 2026-03-01 y\n"


def asked(exchange: Exchange, *reads: bytes) -> list[Asked]:
    return [one for read in reads for one in exchange.receive(read)]


def answered(exchange: Exchange, one: Asked, trouble: NotTaken | None = None) -> bytes | None:
    """As the connection does it."""
    read = LINES.look(one.lines)
    try:
        exchange.packets(one, read)
    except Malformed as error:
        return exchange.answer(one, read, error)
    return exchange.answer(one, read, trouble)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([A], [Asked(A)]),
        ([A + B, A], [Asked(A + B), Asked(A)]),
        ([A[:5], A[5:]], [Asked(A)]),
        ([A + B[:3], B[3:]], [Asked(A, more=True), Asked(B)]),
        ([A[:-1], b"\n"], [Asked(A)]),
        ([A[:1], A[1:2], A[2:] + B], [Asked(A + B)]),
        ([b"\n"], [Asked(b"\n")]),
        ([b"x" * 62, b"x" * 500, b"x\n"], [Asked(b"", wrong=1, more=True), Asked(b"")]),
        ([A + b"x" * 62, b"x\n" + B], [Asked(A, wrong=1, more=True), Asked(B)]),
        ([A + b"x" * 62, b"x\n" + B[:4], B[4:]], [Asked(A, wrong=1, more=True), Asked(B)]),
    ],
)
def test_each_read_is_answered_when_it_ends_with_a_line(reads: list[bytes], expected: list[Asked]) -> None:
    """One that ends within a line is answered with the one that ends the line; a line too long is passed over."""
    assert asked(Reads(60), *reads) == expected


def test_who_waits_within_a_line_is_answered_after_a_while() -> None:
    """Once; the line itself waits for its end, or for that of the connection."""
    reads = Reads(60)
    assert asked(reads, A[:-1]) == []
    assert reads.owed
    assert reads.patience() == (Asked(b""),)
    assert (reads.owed, reads.patience()) == (False, ())
    assert reads.held == len(A) - 1
    assert reads.ended() == (Asked(A[:-1]),)
    assert (reads.held, reads.ended()) == (0, ())


def test_a_line_that_was_cut_with_its_sender_is_not_taken() -> None:
    """It would be stored beside the whole one, which the sender sends when it is back."""
    reads = Reads(60)
    reads.receive(A[:-1])
    reads.patience()
    reads.receive(B[:3])
    assert reads.ended() == ()
    assert reads.held == 0


def test_the_old_way_knows_one_word() -> None:
    """`0` for what is durable, bad lines or not; nothing for what is part of it; and no word for no."""
    reads = Reads(60)
    assert answered(reads, Asked(A)) == b"0"
    assert answered(reads, Asked(b"bad\n")) == b"0"
    assert answered(reads, Asked(A, more=True)) == b""
    assert answered(reads, Asked(A), NotTaken("full", 5)) is None


def test_in_the_old_way_each_line_is_a_packet() -> None:
    """Without an id: its content is its name."""
    packets, id = Reads(60).packets(Asked(A + B + A), LINES.look(A + B + A))
    assert sorted((said.type, len(said.events)) for said in packets) == [("a", 1), ("a", 1), ("b", 1)]
    assert id is None


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([A + B + b"END 17\n"], [Asked(A + B, "17")]),
        ([A, B, b"END", b" 1", b"7\r", b"\n"], [Asked(A + B, "17")]),
        ([A + b"END 1\n" + B + b"END x/2/y\nEND 3\n"], [Asked(A, "1"), Asked(B, "x/2/y"), Asked(b"", "3")]),
        ([A + b"END 1\nEN", b"D 2\n"], [Asked(A, "1"), Asked(b"", "2")]),
        ([b"END 2026-03-01 x\nEND  \nEND\nEND \nEND a b\nxEND 1\nEND 2\n"], [
            Asked(b"END 2026-03-01 x\nEND  \nEND\nEND \nEND a b\nxEND 1\n", "2"),
        ]),
        ([b"END " + b"x" * 201 + b"\nEND 2\n"], [Asked(b"END " + b"x" * 201 + b"\n", "2")]),
        ([b"END \xd0\x94\nEND 2\n"], [Asked(b"END \xd0\x94\n", "2")]),
        ([A * 100, b"END 17\n" + B + b"END 18\n"], [Asked(b"", "17", "it has more than 1000 bytes"), Asked(B, "18")]),
        ([A * 100 + b"END 17\n"], [Asked(b"", "17", "it has more than 1000 bytes")]),
        ([b"x" * 5000, b"END 1\n", b"END 17\n"], [Asked(b"", "17", "it has more than 1000 bytes")]),
        ([A * 10, A * 100, b"EN", b"D 17\n"], [Asked(b"", "17", "it has more than 1000 bytes")]),
    ],
)  # fmt: skip
def test_a_batch_is_asked_about_when_it_ends(reads: list[bytes], expected: list[Asked]) -> None:
    """By a line `END ID` and nothing else; one that is too large is refused then, and the next one is taken."""
    assert asked(Batches(1000), *reads) == expected


def test_a_batch_without_an_end_was_never_sent() -> None:
    """It is not held for longer than the connection, and never as more than the bound."""
    batches = Batches(1000)
    assert asked(batches, A) == []
    assert (batches.held, batches.owed, batches.patience()) == (len(A), False, ())
    assert batches.ended() == ()
    assert batches.held == 0
    for _ in range(100):
        batches.receive(b"x" * 900)
        batches.receive(A * 50)
        assert batches.held <= 1000


@pytest.mark.parametrize(
    ("one", "trouble", "answer"),
    [
        (Asked(A + B, "17"), None, b"OK 17 2 0\n"),
        (Asked(A + b"bad\n", "a/17/b"), None, b"OK a/17/b 1 1\n"),
        (Asked(b"", "17"), None, b"OK 17 0 0\n"),
        (Asked(A, "17"), NotTaken("the disk\nis full", 4.2, full=True), b"NO 17 5 the disk is full\n"),
        (Asked(A, "17"), NotTaken("again", 0.0), b"NO 17 1 again\n"),
        (Asked(A, "17"), NotTaken("too large", 0.0, too_large=True), b"NO 17 never too large\n"),
        (
            Asked(b"bad\n", "17"),
            None,
            b"NO 17 never no line is good; line 1: its DATE is no day; write YYYY-MM-DD: bad\n",
        ),
        (Asked(b"", "17", "it has more than 5 bytes"), None, b"NO 17 never it has more than 5 bytes\n"),
    ],
)
def test_a_batch_is_answered_by_its_name(one: Asked, trouble: NotTaken | None, answer: bytes) -> None:
    """OK with how many lines were taken and left out; NO with when to send it again, and why."""
    assert answered(Batches(1000), one, trouble) == answer


@pytest.mark.parametrize(("key", "id"), [("17", 17), ("agent/17/abc", 17), (str(LARGEST_ID), LARGEST_ID)])
def test_a_batch_has_the_id_of_its_name(key: str, id: int) -> None:
    """Digits are the number; all packets of a batch share it, and any other text has a number of its own."""
    packets, found = Batches(1000).packets(Asked(A + B, key), LINES.look(A + B))
    assert (len(packets), found) == (2, id)
    assert Batches(1000).packets(Asked(A, "x17"), LINES.look(A))[1] == id_of("x17") > LARGEST_ID


_PIECES = st.lists(
    st.sampled_from([A, B, b"\n", b"bad\n", b"END 17\n", b"END x\r\n", b"END \n", b"x" * 70]), max_size=12
)


@given(pieces=_PIECES, data=st.data())
def test_where_the_network_cuts_does_not_matter(pieces: list[bytes], data: st.DataObject) -> None:
    """The same lines are asked about, in order, whatever came in one read."""
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    parts = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True) if i < j]
    assert asked(Batches(1 << 20), *parts) == asked(Batches(1 << 20), stream)
    whole, cut = Reads(60), Reads(60)
    together, apart = asked(whole, stream) if stream else [], asked(cut, *parts)
    for exchange, found in ((whole, together), (cut, apart)):
        found.extend([*exchange.patience(), *exchange.ended()])
    good = [LINES.look(b"".join(one.lines for one in found)) for found in (together, apart)]
    assert good[0].packets == good[1].packets
    assert sum(not one.more for one in apart) <= len(parts) + 2
