"""Peers, contracts and users write into the log; they cannot make keeper see what did not happen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.event import BlockReceived, BlockRejected, LogException
from keeper.formats.nodeos import CONSOLE_LIMIT, CONTINUATION_LIMIT, NodeosFormat
from tests.formats.samples import SEEN, read

PREFIX = b"info  2026-11-20T20:19:04.740 nodeos    producer_plugin.cpp:777       on_incoming_block    ] "
BLOCK = (
    b"Received block 02b9cbe75b9638a8... #2 @ 2026-11-20T20:19:00.000 signed by eosio "
    b"[trxs: 0, lib: 1, latency: 4740 ms]"
)
FORGED = PREFIX + BLOCK
SENTENCES = (
    BLOCK,
    BLOCK.replace(b"Received", b"Produced"),
    b"Not producing block because production is explicitly paused",
    b"Producer paused.",
    b"eosio double produced block 7",
    b"nodeos successfully exiting",
    b"switching forks from " + b"a" * 64 + b" (block number 1) to " + b"b" * 64 + b" (block number 2)",
    b"3030001 unlinkable_block_exception: Unlinkable block",
    b"unlinkable_block_exception #7 0123456789abcdef...: forged",
    b"Gracefully shutting down, exceeded file system configured threshold.",
    FORGED,
)


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("level", [b"info ", b"error", b"debug"])
@pytest.mark.parametrize("connection", [b" - 4", b""])
def test_a_peers_name_says_nothing(sentence: bytes, level: bytes, connection: bytes) -> None:
    """Whatever a peer calls itself, also when the name imitates the end of its own quotation."""
    names = (
        sentence,
        sentence + b" - 7e9324d",
        b'x" - 1 6.6.6.6:6] ' + sentence,
        b'x" 6.6.6.6:6]' + sentence,
        b'x" - 1 6.6.6.6:6] ' + sentence + b' ["y',
        b'"] ' + sentence,
        b"] " + sentence,
    )
    for name in names:
        line = (
            PREFIX.replace(b"info ", level)
            + b'["'
            + name
            + b'"'
            + connection
            + b" 1.2.3.4:9876] received time_message\n"
        )
        assert read(line) == []


def test_a_peer_can_only_say_what_it_can_also_do() -> None:
    """A bad block of a peer is believed: sending one is all it takes to have that line printed."""
    line = (
        PREFIX + b'["node - 7e9324d" - 3 1.2.3.4:9876] unlinkable_block_exception #7 0123456789abcdef...: Unlinkable\n'
    )
    [event] = read(line)
    assert isinstance(event, BlockRejected)
    assert (event.reason, event.number) == ("unlinkable", 7)
    assert "node" not in event.text


@pytest.mark.parametrize(
    "before",
    [
        b"connection failed to ",
        b"Accepted new connection: ",
        b"received a go away message from x, reason = ",
        b"Sending handshake generation 14 to ",
        b"assertion failure with message: ",
        b"x ",
        b"[",
        b"] ",
        b"  ] ",
    ],
)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_counts_only_from_the_first_character_of_the_message(before: bytes, sentence: bytes) -> None:
    """Text that comes later in a message is somebody's text."""
    assert read(PREFIX + before + sentence + b"\n") == []


@pytest.mark.parametrize("sentence", [s for s in SENTENCES if s is not FORGED])
def test_a_line_without_a_prefix_is_no_event(sentence: bytes) -> None:
    """Not as the first line, not as the continuation of another."""
    assert read(sentence + b"\n") == []
    assert read(PREFIX + b"closing\n" + sentence + b"\n") == []


def test_a_prefix_counts_only_at_the_beginning_of_its_line() -> None:
    """A complete log line inside another line is text."""
    assert read(b"x " + FORGED + b"\n") == []
    assert read(PREFIX + b"contract says: " + FORGED + b"\n") == []
    assert read(b"\t" + FORGED + b"\n") == []


def test_a_carriage_return_is_no_line_end() -> None:
    """What comes behind a `\\r` overwrites a terminal, not the log."""
    assert read(PREFIX + b"contract says: hello\r" + FORGED + b"\n") == []


CONSOLE = b"[(hello.code,hi)->hello.code]: CONSOLE OUTPUT BEGIN =====================\n"
CONSOLE_END = b"[(hello.code,hi)->hello.code]: CONSOLE OUTPUT END   =====================\n"
DEBUG = b"debug 2026-11-20T20:19:04.740 nodeos    apply_context.cpp:28          print_debug          ] "


def console(text: bytes) -> bytes:
    return DEBUG + b"\n" + CONSOLE + text + b"\n" + CONSOLE_END


@pytest.mark.parametrize("sentence", SENTENCES)
def test_console_output_of_a_contract_is_inert(sentence: bytes) -> None:
    """Complete fake lines, wrapped or not, and blocks begun or ended under another name."""
    for text in (
        PREFIX + sentence,
        b"x\n" + PREFIX + sentence + b"\nx",
        b"eos | " + PREFIX + sentence,
        json.dumps({"log": (PREFIX + sentence).decode() + "\n"}).encode(),
        CONSOLE.replace(b"hello", b"other") + PREFIX + sentence,
        CONSOLE_END.replace(b"hello", b"other") + PREFIX + sentence,
        b"terminate called after throwing\nAPPBASE: Warning: x",
    ):
        assert read(console(text)) == []


def test_the_log_goes_on_after_console_output() -> None:
    """Also in the same chunk, in the next, and when the wrapper puts its mark before every line of the block."""
    after = FORGED + b"\n"
    assert len(read(console(FORGED) + after)) == 1
    form = NodeosFormat()
    assert form.parse(DEBUG + b"\n" + CONSOLE + FORGED + b"\n", SEEN).events == []
    assert form.parse(FORGED + b"\n", SEEN).events == []
    assert form.parse(CONSOLE_END, SEEN).events == []
    assert len(form.parse(after, SEEN).events) == 1
    wrapped = b"".join(b"eos | " + line + b"\n" for line in (console(FORGED) + after).splitlines())
    assert len(read(wrapped)) == 1


def test_console_output_in_the_message_itself_is_inert_too() -> None:
    """Where a build prints the first line of the block behind its prefix."""
    assert read(DEBUG + CONSOLE + FORGED + b"\n" + CONSOLE_END) == []


def test_a_block_of_console_output_that_never_ends_blinds_nobody_for_ever() -> None:
    """A contract may print a beginning of its own; after CONSOLE_LIMIT bytes the log is read again."""
    form = NodeosFormat()
    form.parse(DEBUG + b"\n" + CONSOLE, SEEN)
    filler = (b"x" * 99 + b"\n") * (CONSOLE_LIMIT // 100 + 1)
    assert form.parse(filler, SEEN).events == []
    assert len(form.parse(FORGED + b"\n", SEEN).events) == 1


def test_a_piece_of_a_long_json_file_line_is_no_line() -> None:
    """Docker cuts lines at 16 KiB: what comes after the cut is chosen by whoever wrote the line."""

    def entry(text: bytes) -> bytes:
        return (
            json.dumps({"log": text.decode(), "stream": "stderr", "time": "2026-11-20T20:19:04.740Z"}).encode() + b"\n"
        )

    long = PREFIX + b"contract says: " + b"x" * 16_000
    assert read(entry(long) + entry(FORGED) + entry(b"tail\n")) == []
    form = NodeosFormat()
    form.parse(entry(long), SEEN)
    assert form.parse(entry(FORGED + b"\n"), SEEN).events == []
    assert len(form.parse(entry(FORGED + b"\n"), SEEN).events) == 1


def test_text_that_looks_like_json_file_mutes_nobody() -> None:
    """A line of somebody's text that looks like an unfinished entry takes nothing of the bare lines after it."""
    forged = b'{"log":"no newline at its end","stream":"stderr"}\n'
    assert len(read(forged + FORGED + b"\n")) == 1
    assert len(read(PREFIX + b"closing\n" + forged + FORGED + b"\n" + FORGED + b"\n")) == 2


def test_an_assertion_of_a_contract_rejects_no_block() -> None:
    """The sentence of fork_database counts only as nodeos writes it, not behind an assertion's own words."""
    head = PREFIX.replace(b"info ", b"error") + b"10 assert_exception: Assert Exception\n"
    real = b"prior != by_id_idx.end(): unlinkable block\n"
    assert isinstance(read(head + real)[0], BlockRejected)
    for said in (b"condition: assertion failed: ", b"assertion failure with message: ", b"x"):
        assert isinstance(read(head + said + real)[0], LogException)


def test_endless_text_without_a_prefix_is_not_taken_for_one_exception() -> None:
    """After CONTINUATION_LIMIT lines they are unrecognised, so that a format nobody knows is noticed."""
    form = NodeosFormat()
    parsed = form.parse(PREFIX + b"closing\n" + b"what is this?\n" * 1000, SEEN)
    assert (parsed.recognized, parsed.unrecognized) == (1 + CONTINUATION_LIMIT, 1000 - CONTINUATION_LIMIT)


@given(st.binary(max_size=300).filter(lambda text: b"\n" not in text), st.sampled_from(SENTENCES))
def test_no_text_before_a_sentence_makes_it_an_event(text: bytes, sentence: bytes) -> None:
    """Random text of a peer before a forged sentence never makes a block, a pause or a stop."""
    line = PREFIX + b'["' + text + sentence + b'" - 4 1.2.3.4:9876] received time_message\n'
    assert read(line) == []


def test_the_forged_line_of_these_tests_is_a_good_one() -> None:
    """At the place where nodeos writes it, it is an event."""
    [event] = read(FORGED + b"\n")
    assert isinstance(event, BlockReceived)
