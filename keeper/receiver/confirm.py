"""What `/v1/confirmed` is asked and what it answers: which packets of a source are in the store.

    GET   ?source=S&ids=1,5,9-20&wait=5                                 by the ids that came with them
    POST  {"source": "S", "packets": [[862, "HEX"], [null, "HEX"]], "wait": 5}     by id, if any, and content

The server finds out who asks, waits until all that it accepted before has been stored (`wait` seconds at most), and
then has the store asked in a thread: nothing here knows of sockets, but `answer` blocks as long as the store does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

import orjson

from keeper.receiver.packet import CONTENT_BYTES, NAME, Malformed
from keeper.receiver.ranges import covered, joined, parts, read_ranges, shown_ranges, without
from keeper.receiver.stores.store import Range, Reader

MOST_RANGES = 10_000  # of one query
MOST_IDS = 1_000_000_000  # that they cover
MOST_ANSWERED = 200_000  # ranges of one answer: a few megabytes
MOST_PACKETS = 100_000  # of one body
WAIT, LONGEST_WAIT = 5.0, 30.0  # seconds
_LARGEST_KEY = (1 << 63) - 1  # ids that are names of packets, too: see packet.id_of
_AT_ONCE = 1_000_000  # ids the store is asked for at a time: what it finds must fit into memory

Name: TypeAlias = tuple[int | None, bytes]


class AskedIds(NamedTuple):
    """`source` is None when whoever asks means its own; `ranges` are joined; `wait` is in seconds."""

    source: str | None
    ranges: Sequence[Range]
    wait: float


class AskedPackets(NamedTuple):
    """`names` are (id, content), in the order of the answer; the same may stand there twice."""

    source: str | None
    names: Sequence[Name]
    wait: float


Question: TypeAlias = AskedIds | AskedPackets


def question_of_query(query: str) -> Question:
    """Read what stands behind the `?`. Raises Malformed."""
    try:
        fields = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise Malformed("the query cannot be read; write ?source=NAME&ids=1,5,9-20") from None
    given = dict(fields)
    if len(given) < len(fields):
        raise Malformed("the query says something twice")
    _only(given, {"source", "ids", "wait"})
    if not given.get("ids"):
        raise Malformed("the query has no ids; write ids=1,5,9-20")
    ranges = joined(read_ranges(given["ids"], MOST_RANGES))
    if covered(ranges) > MOST_IDS:
        raise Malformed(f"more than {MOST_IDS:,} ids; ask for them in parts")
    return AskedIds(_source(given.get("source")), ranges, _wait_of(given.get("wait", str(WAIT))))


def question_of_body(body: bytes) -> Question:
    """Read a body of JSON. Raises Malformed."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise Malformed('the body is no object; write {"packets": [[ID, "CONTENT"]]}')
    _only(given, {"source", "packets", "wait"})
    packets = given.get("packets")
    if not isinstance(packets, list):
        raise Malformed('packets is not a list; write {"packets": [[ID, "CONTENT"]]}')
    if len(packets) > MOST_PACKETS:
        raise Malformed(f"more than {MOST_PACKETS:,} packets; ask for them in parts")
    wait = given.get("wait", WAIT)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= LONGEST_WAIT:
        raise _no_wait(wait)
    names = [_name(number, one) for number, one in enumerate(packets)]
    return AskedPackets(_source(given.get("source")), names, float(wait))


def body_of(source: str | None, names: Sequence[Name], wait: float) -> bytes:
    """The body that asks for these: what `question_of_body` reads."""
    asked = {"packets": [(id, content.hex()) for id, content in names], "wait": wait}
    return orjson.dumps(asked if source is None else {"source": source, **asked})


def answer(question: Question, source: str, reader: Reader, *, complete: bool) -> bytes:
    """Ask the store. `source` is the one that is meant, with the question's own None replaced; `complete` says whether
    all that was accepted before the question is in the store: without that a missing packet may yet come to it.

    Raises StoreError, and Malformed when the answer would be too long.
    """
    head = {"source": source, "complete": complete}
    if isinstance(question, AskedPackets):
        there = reader.held(source, set(question.names)) if question.names else set()
        return orjson.dumps({**head, "confirmed": [name in there for name in question.names]})
    found: list[Range] = []
    for part in parts(question.ranges, _AT_ONCE):
        found += reader.stored(source, [part])
        if len(found) > MOST_ANSWERED:
            raise Malformed(f"the answer has more than {MOST_ANSWERED:,} ranges; ask for fewer ids at once")
    stored = joined(found)
    missing = without(question.ranges, stored)
    return orjson.dumps({**head, "confirmed": shown_ranges(stored), "missing": shown_ranges(missing)})


def _name(number: int, given: Any) -> Name:
    if isinstance(given, list) and len(given) == 2:
        id, content = given
        if (id is None or (type(id) is int and 0 <= id <= _LARGEST_KEY)) and isinstance(content, str):
            try:
                digest = bytes.fromhex(content)
            except ValueError:
                digest = b""
            if len(digest) == CONTENT_BYTES and len(content) == 2 * CONTENT_BYTES:
                return id, digest
    raise Malformed(f"packets[{number}] is not an id, or null, and {2 * CONTENT_BYTES} hex digits of a content")


def _only(given: dict[str, Any], known: set[str]) -> None:
    if unknown := given.keys() - known:
        raise Malformed(f"{min(unknown)[:50]!r} is unknown; known are {', '.join(sorted(known))}")


def _source(given: Any) -> str | None:
    if given is None or (isinstance(given, str) and NAME.fullmatch(given)):
        return given
    raise Malformed("source is no name of a source; use letters, digits, dot, dash and underscore")


def _wait_of(text: str) -> float:
    try:
        seconds = float(text) if len(text) <= 10 else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise _no_wait(text)
    return seconds


def _no_wait(given: object) -> Malformed:
    return Malformed(f"wait = {str(given)[:20]!r} is not a number of seconds from 0 to {LONGEST_WAIT:g}")
