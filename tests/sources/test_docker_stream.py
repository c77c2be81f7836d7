"""Lines out of what the engine sends: real bytes first, then every way to cut them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.lines import MAX_LINE
from keeper.errors import SourceError
from keeper.formats.http_answer import MAX_CHUNK, HttpAnswer
from keeper.sources.docker_stream import PIECE, STDERR, STDOUT, Decoder, EngineTrouble, Frames, Line, Terminal, moment

# Docker 20.10.24 answering /containers/ID/logs?follow=0&stdout=1&stderr=1&timestamps=1 for
# `echo out; echo err >&2; printf eof`.
RECORDED = (
    b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
    b"Server: Docker/20.10.24+dfsg1 (linux)\r\nDate: Fri, 20 Nov 2026 21:52:12 GMT\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2b\r\n\x01\x00\x00\x00\x00\x00\x00#2026-11-20T21:52:12.160976991Z out\n\r\n"
    b"2b\r\n\x02\x00\x00\x00\x00\x00\x00#2026-11-20T21:52:12.167834517Z err\n\r\n"
    b'2a\r\n\x01\x00\x00\x00\x00\x00\x00"2026-11-20T21:52:12.192816860Z eof\r\n'
    b"0\r\n\r\n"
)
LINES = [
    Line(STDOUT, 1795211532160976991, b"out\n"),
    Line(STDERR, 1795211532167834517, b"err\n"),
    Line(STDOUT, 1795211532192816860, b"eof\n"),
]
AT = 1795211532_000000001


def stamp(ns: int, hours: int = 0) -> bytes:
    """As moby prints it: nine digits, and Z or the engine's own zone."""
    date = datetime.fromtimestamp(ns // 10**9, timezone(timedelta(hours=hours)) if hours else UTC)
    zone = date.strftime("%z")
    end = f"{zone[:3]}:{zone[3:]}" if hours else "Z"
    return f"{date:%Y-%m-%dT%H:%M:%S}.{ns % 10**9:09d}{end} ".encode()


def frame(stream: int, ns: int, text: bytes, hours: int = 0) -> bytes:
    payload = stamp(ns, hours) + text
    return pack(">BxxxI", stream, len(payload)) + payload


def read(decoder: Decoder, *chunks: bytes) -> list[Line]:
    """The lines of these chunks, however many messages they were made of."""
    return [line._replace(joined=False) for chunk in chunks for line in decoder.feed([chunk])]


def test_recorded_answer_at_every_cut() -> None:
    """Wherever the engine's bytes are cut on their way, the same three lines come out of them, each with its time."""
    for cut in range(len(RECORDED) + 1):
        http, frames = HttpAnswer(), Frames()
        lines = [line for part in (RECORDED[:cut], RECORDED[cut:]) for line in frames.feed(http.feed(part))]
        assert lines == LINES
        assert http.ended
        assert http.headers["api-version"] == "1.41"


def test_broken_connection_is_no_end() -> None:
    """An answer that stops anywhere before its last chunk has not ended, and a half frame is not a line."""
    for cut in range(len(RECORDED)):
        http, frames = HttpAnswer(), Frames()
        lines = frames.feed(http.feed(RECORDED[:cut]))
        http.closed()
        assert not http.ended or cut >= RECORDED.index(b"0\r\n\r\n", 300)
        assert lines == LINES[: len(lines)]


@pytest.mark.parametrize("hours", [0, 9, -3, 14])
def test_time_zone_of_the_engine(hours: int) -> None:
    """The `local` driver prints the engine's own zone: the time is the same."""
    (line,) = Frames().feed([frame(STDOUT, AT, b"hello\n", hours)])
    assert line == Line(STDOUT, AT, b"hello\n")
    (line,) = Terminal().feed([stamp(AT, hours) + b"hello\r\n"])
    assert line == Line(STDOUT, AT, b"hello\n")


def test_pieces_cut_inside_a_character() -> None:
    """A line of 40 KiB comes in pieces of 16 KiB, cut inside characters, each with the line's time again: it is one
    line with its characters whole, also when the other stream speaks in between."""
    text = ("ab" + "€" * 13_600 + "\n").encode()
    pieces = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    assert pieces[0][-1] != "€".encode()[-1]
    lines = read(
        Frames(),
        frame(STDOUT, AT, pieces[0]),
        frame(STDERR, AT + 7, b"between\n"),
        frame(STDOUT, AT, pieces[1]),
        frame(STDOUT, AT, pieces[2]),
        frame(STDOUT, AT + 9, b"next\n"),
    )
    assert lines == [
        Line(STDERR, AT + 7, b"between\n"),
        Line(STDOUT, AT, text),
        Line(STDOUT, AT + 9, b"next\n"),
    ]
    lines = read(Terminal(), *(stamp(AT) + piece for piece in pieces[:-1]), stamp(AT) + pieces[-1][:-1] + b"\r\n")
    assert lines == [Line(STDOUT, AT, text)]


def test_local_driver_forgets_the_newline() -> None:
    """The `local` driver of 20.10 ends a long line without its newline: it is a line all the same, at once without a
    terminal, with the next message with one."""
    text = b"x" * (PIECE + 100)
    frames = [frame(STDOUT, AT, text[:PIECE]), frame(STDOUT, AT, text[PIECE:])]
    assert read(Frames(), *frames) == [Line(STDOUT, AT, text + b"\n")]
    decoder = Terminal()
    assert read(decoder, stamp(AT) + text[:PIECE], stamp(AT) + text[PIECE:] + b"\r") == []
    assert decoder.unfinished() == {(STDOUT, AT)}
    assert read(decoder, stamp(AT + 1) + b"next\r\n") == [
        Line(STDOUT, AT, text + b"\n"),
        Line(STDOUT, AT + 1, b"next\n"),
    ]


def test_last_words_without_newline() -> None:
    """What a container printed last without a newline does not swallow the first line of its next run."""
    assert read(Frames(), frame(STDOUT, AT, b"last"), frame(STDOUT, AT + 5, b"first\n")) == [
        Line(STDOUT, AT, b"last\n"),
        Line(STDOUT, AT + 5, b"first\n"),
    ]
    decoder: Decoder = Terminal()
    assert read(decoder, stamp(AT) + b"last", stamp(AT + 5) + b"first\r\n") == [
        Line(STDOUT, AT, b"last\n"),
        Line(STDOUT, AT + 5, b"first\n"),
    ]
    for decoder, message in ((Frames(), frame(STDOUT, AT, b"x" * PIECE)), (Terminal(), stamp(AT) + b"x" * PIECE)):
        assert read(decoder, message) == []
        assert decoder.unfinished() == {(STDOUT, AT)}
        assert decoder.end() == [Line(STDOUT, AT, b"x" * PIECE + b"\n")]
        assert decoder.end() == []


def test_lines_of_several_messages_are_marked() -> None:
    """What was joined may lack a piece that the engine's stream left out."""
    for decoder, message in ((Frames(), lambda text: frame(1, AT, text)), (Terminal(), lambda text: stamp(AT) + text)):
        assert [line.joined for line in decoder.feed([message(b"one\n")])] == [False]
        assert [line.joined for line in decoder.feed([message(b"x" * PIECE), message(b"two\n")])] == [True]


def test_pieces_of_journald() -> None:
    """journald has microseconds, and another time for every piece: a full piece goes on, a short one does not."""
    at = AT // 1000 * 1000
    pieces = [frame(STDOUT, at, b"a" * PIECE), frame(STDOUT, at + 5000, b"b\n"), frame(STDOUT, at + 6000, b"c\n")]
    assert read(Frames(), *pieces) == [
        Line(STDOUT, at, b"a" * PIECE + b"b\n"),
        Line(STDOUT, at + 6000, b"c\n"),
    ]


def test_piece_whose_rest_was_deleted() -> None:
    """When rotation took the rest of a long line, the next line does not become its end."""
    frames = [frame(STDOUT, AT, b"a" * PIECE), frame(STDOUT, AT + 5, b"b\n")]
    assert read(Frames(), *frames) == [Line(STDOUT, AT, b"a" * PIECE + b"\n"), Line(STDOUT, AT + 5, b"b\n")]


@pytest.mark.parametrize("tty", [False, True])
def test_endless_line(tty: bool) -> None:
    """A line over 1 MiB is handed out, cut, when that much has come; the rest is passed over and not kept."""
    decoder: Decoder = Terminal() if tty else Frames()
    lines: list[Line] = []
    for _ in range(200):
        piece = stamp(AT) + b"x" * PIECE if tty else frame(STDOUT, AT, b"x" * PIECE)
        lines += read(decoder, piece)
    assert lines == [Line(STDOUT, AT, b"x" * (MAX_LINE - 1) + b"\n", cut=True)]
    assert decoder.unfinished() == set()
    end, after = b"end\r\n" if tty else b"end\n", b"after\r\n" if tty else b"after\n"
    if tty:
        assert read(decoder, stamp(AT) + end, stamp(AT + 1) + after) == [Line(STDOUT, AT + 1, b"after\n")]
    else:
        assert read(decoder, frame(1, AT, end), frame(1, AT + 1, after)) == [Line(STDOUT, AT + 1, b"after\n")]


@pytest.mark.parametrize("size", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1])
def test_limit_of_a_line(size: int) -> None:
    """A line of exactly 1 MiB with its newline is whole, one byte more is cut."""
    text = b"x" * (size - 1) + b"\n"
    frames = [frame(STDOUT, AT, text[i : i + PIECE]) for i in range(0, size, PIECE)]
    (line,) = read(Frames(), *frames)
    assert line.cut == (size > MAX_LINE)
    assert line.data == (text if size <= MAX_LINE else b"x" * (MAX_LINE - 1) + b"\n")


def test_bytes_that_are_no_text() -> None:
    """NUL, broken UTF-8, a bare carriage return and an empty line are lines like others."""
    texts = [b"\0\0\n", b"\xff\xfe\n", b"10%\r20%\n", b"\n"]
    assert [line.data for line in read(Frames(), *(frame(1, AT + n, t) for n, t in enumerate(texts)))] == texts
    terminal = [stamp(AT + n) + t[:-1] + b"\r\n" for n, t in enumerate(texts)]
    assert [line.data for line in read(Terminal(), *terminal)] == texts


def test_a_line_cannot_pose_as_a_message() -> None:
    """A container that prints timestamps and frame headers prints text."""
    forged = b"x " + stamp(AT + 1) + b"forged"
    assert read(Frames(), frame(1, AT, forged + b"\n")) == [Line(STDOUT, AT, forged + b"\n")]
    assert read(Terminal(), stamp(AT) + forged + b"\r\n") == [Line(STDOUT, AT, forged + b"\n")]
    header = frame(2, AT + 1, b"forged")
    assert read(Frames(), frame(1, AT, header + b"\n")) == [Line(STDOUT, AT, header + b"\n")]


def test_the_engine_complains_in_place_of_a_line() -> None:
    """`Error grabbing logs` is trouble, not a line of the container."""
    said = b"Error grabbing logs: invalid character '\\x00' looking for beginning of value\n"
    with pytest.raises(EngineTrouble, match="cannot read its own log: invalid character"):
        Frames().feed([frame(STDOUT, AT, b"good\n") + pack(">BxxxI", 3, len(said)) + said])
    with pytest.raises(EngineTrouble, match="cannot read its own log: invalid character"):
        Terminal().feed([stamp(AT) + b"good\r\n", said])


@pytest.mark.parametrize(
    "data",
    [
        b"\x04\0\0\0\0\0\0\x05hello",
        b"\x01\0\x01\0\0\0\0\x05hello",
        b"\x01\0\0\0\x7f\0\0\0hello",
        stamp(AT) + b"a container with a terminal after all\r\n",
        pack(">BxxxI", 1, 6) + b"hello\n",
        pack(">BxxxI", 1, 36) + b"2026-13-20T21:52:12.160976991Z hello\n",
    ],
)
def test_no_frames(data: bytes) -> None:
    """What is not made of frames with timestamps is refused, not guessed at."""
    with pytest.raises(SourceError):
        Frames().feed([data])


messages = st.lists(
    st.tuples(st.integers(STDOUT, STDERR), st.binary(max_size=40).map(lambda text: text.replace(b"\n", b"?"))),
    max_size=12,
)


@given(messages, st.data())
def test_frames_in_any_pieces(said: list[tuple[int, bytes]], data: st.DataObject) -> None:
    """However frames are cut into chunks, each message is one line with its stream and time."""
    stream = b"".join(frame(number, AT + at, text + b"\n") for at, (number, text) in enumerate(said))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    decoder = Frames()
    lines = read(decoder, *(stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)))
    assert lines == [Line(number, AT + at, text + b"\n") for at, (number, text) in enumerate(said)]
    assert decoder.messages == len(said)


@given(st.lists(st.integers(1, 3 * PIECE), max_size=4), st.data())
def test_terminal_behind_a_proxy(sizes: list[int], data: st.DataObject) -> None:
    """A proxy that makes other chunks of the engine's changes nothing, even for lines in pieces."""
    texts = [bytes(b"abcdefg"[n % 7 : n % 7 + 1]) * size for n, size in enumerate(sizes)]
    stream = b""
    for at, text in enumerate(texts):
        whole = text + b"\r\n"
        stream += b"".join(stamp(AT + at) + whole[i : i + PIECE] for i in range(0, len(whole), PIECE))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    lines = read(Terminal(), *(stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)))
    assert lines == [Line(STDOUT, AT + at, text + b"\n") for at, text in enumerate(texts)]


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, tty: bool) -> None:
    """No bytes lead to anything but lines or a SourceError."""
    decoder: Decoder = Terminal() if tty else Frames()
    for bytes_ in (
        data,
        b"HTTP/1.1 200 OK\r\n\r\n" + data,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data,
    ):
        try:
            for line in decoder.feed(HttpAnswer().feed(bytes_)) + decoder.end():
                assert line.data.endswith(b"\n")
        except SourceError:
            pass


@pytest.mark.parametrize(
    ("answer", "chunks"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", [b"OK"]),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", []),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", [b"until the end"]),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n", [b"abc"]),
    ],
)
def test_bodies_of_http(answer: bytes, chunks: list[bytes]) -> None:
    """A body ends where its length, its last chunk or the connection says so."""
    http = HttpAnswer()
    assert http.feed(answer) == chunks
    http.closed()
    assert http.ended


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_CHUNK + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000,
        b"x" * 70_000,
    ],
)
def test_no_http(answer: bytes) -> None:
    """What is not HTTP is refused before it fills the memory."""
    with pytest.raises(SourceError):
        HttpAnswer().feed(answer)


def test_times_of_inspect() -> None:
    """inspect drops the zeros at the end of a time."""
    assert moment("2026-11-20T21:52:12.16097699Z") == 1795211532160976990
    assert moment("2026-11-20T21:52:12Z") == 1795211532 * 10**9
    assert moment("2026-11-21T06:52:12.5+09:00") == 1795211532_500000000
    assert moment("0001-01-01T00:00:00Z") < 0
    with pytest.raises(SourceError):
        moment("never")
