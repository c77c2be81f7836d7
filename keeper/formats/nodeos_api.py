"""Answers of nodeos' HTTP API, Dawn 2 to Spring 1.2: JSON bytes in, one event out, or NotUnderstood with the reason.

nodeos writes block numbers and versions as bare 32-bit numbers in every generation, so a number in quotes, a fraction
or anything above 2**32 - 1 is not taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

from keeper.core.event import InfoAnswer, PausedAnswer, PeerCount, ReferenceAnswer, ScheduleAnswer
from keeper.formats.json_answer import NotUnderstood, decode, kind, one_line

MAX_UINT32 = 2**32 - 1
MAX_PRODUCERS = 125  # config::max_producers of every generation
MAX_VERSION_TEXT = 64
MAX_COMPLAINT = 200

_ID = re.compile(r"[0-9a-f]{64}")
# A fraction since 1.0.4, none before; UTC without the Z, though a proxy may add it.
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?Z?", re.ASCII)
# An account name; empty at the very beginning of a chain.
_NAME = re.compile(r"[.1-5a-z]{0,13}")


def info(body: bytes, at: float, took: float) -> InfoAnswer:
    """Read /v1/chain/get_info.

    `chain_id` is empty before Dawn 4.2; `version` is `server_version_string` since 1.2.0, before that the commit.
    Raises NotUnderstood, also for head block 0: no chain has one, so the node does not know its chain yet.
    """
    answer = _object(decode(body), "the answer")
    head = _uint32(answer, "head_block_num")
    if head == 0:
        raise NotUnderstood("head_block_num is 0, the node has not loaded its chain")
    return InfoAnswer(
        at=at,
        head=head,
        head_id=_id(answer, "head_block_id"),
        head_time=_time(answer, "head_block_time"),
        head_producer=_name(answer, "head_block_producer"),
        lib=_uint32(answer, "last_irreversible_block_num"),
        chain_id=_id(answer, "chain_id") if "chain_id" in answer else "",
        version=one_line(_version(answer), MAX_VERSION_TEXT),
        took=took,
    )


def reference(body: bytes, at: float, endpoint: str) -> ReferenceAnswer:
    """Read get_info of somebody else's node. Raises NotUnderstood."""
    answer = info(body, at, 0.0)
    return ReferenceAnswer(at, endpoint, answer.head, answer.head_id, answer.head_time, answer.lib, answer.chain_id)


def paused(body: bytes, at: float) -> PausedAnswer:
    """Read /v1/producer/paused: a bare `true` or `false`. Raises NotUnderstood."""
    answer = decode(body)
    if not isinstance(answer, bool):
        raise NotUnderstood(f"the answer is {kind(answer)}, not true or false")
    return PausedAnswer(at, answer)


def schedule(body: bytes, at: float) -> ScheduleAnswer:
    """Read /v1/chain/get_producer_schedule (since 1.1.0); the keys differ between generations and are not read.

    A change begins as `proposed` and becomes `pending` before it is active; either may be null or hold no producers.
    Raises NotUnderstood.
    """
    answer = _object(decode(body), "the answer")
    active = _object(answer.get("active"), "active")
    producers = _producers(active, "active")
    if not producers:
        raise NotUnderstood("active.producers is empty, and no chain runs without producers")
    return ScheduleAnswer(
        at=at,
        version=_uint32(active, "version", "active."),
        producers=producers,
        pending=_coming(answer, "pending") or _coming(answer, "proposed"),
    )


def connections(body: bytes, at: float) -> PeerCount:
    """Count the open connections of /v1/net/connections; it does not tell who called whom, so all are `peers`.

    Raises NotUnderstood.
    """
    answer = decode(body)
    if not isinstance(answer, list):
        raise NotUnderstood(f"the answer is {kind(answer)}, not an array of connections")
    return PeerCount(at, clients=0, peers=sum(_is_open(entry, f"connection {n}") for n, entry in enumerate(answer)))


def complaint(status: int, body: bytes) -> str:
    """Say in half a sentence what an answer that is no success says: the status, and nodeos' own message if any."""
    said = ": ".join(dict.fromkeys(text for text in _error_texts(body) if text))
    try:
        shown = f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        shown = f"answered {status}"
    return f"{shown}: {one_line(said, MAX_COMPLAINT)}" if said else shown


def _error_texts(body: bytes) -> Iterator[str]:
    """Find the texts of nodeos' {"error": {"what", "details": [{"message", ...}]}, ...}; other bodies say nothing."""
    try:
        answer = decode(body)
    except NotUnderstood:
        return
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return
    details = error.get("details")
    for part in (error, *(details[:1] if isinstance(details, list) else ())):
        for name in ("what", "message"):
            text = part.get(name) if isinstance(part, dict) else None
            if isinstance(text, str):
                yield text[: MAX_COMPLAINT + 1]


def _is_open(entry: object, where: str) -> bool:
    """Tell an open connection. Spring says it itself.

    Before, `connecting` alone does not: close() of every generation resets it while the peer stays listed. But close()
    also forgets what the peer said in its handshake, so an open connection is one that has a handshake.
    """
    fields = _object(entry, where)
    if "is_socket_open" in fields:
        return _truth(fields, "is_socket_open", where)
    if _truth(fields, "connecting", where):
        return False
    handshake = fields.get("last_handshake")
    if not isinstance(handshake, dict):
        return True
    return bool(handshake.get("p2p_address") or handshake.get("network_version"))


def _producers(part: dict[str, object], name: str) -> tuple[str, ...]:
    rows = part.get("producers")
    if not isinstance(rows, list):
        raise NotUnderstood(f"{name}.producers is {kind(rows)}, not an array")
    if len(rows) > MAX_PRODUCERS:
        raise NotUnderstood(f"{name}.producers has {len(rows):,} entries, nodeos allows {MAX_PRODUCERS}")
    where = f"{name}.producers[]"
    return tuple(_name(_object(row, where), "producer_name", f"{where}.") for row in rows)


def _coming(answer: dict[str, object], name: str) -> tuple[str, ...]:
    part = answer.get(name)
    return () if part is None else _producers(_object(part, name), name)


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise NotUnderstood(f"{where} is {kind(value)}, not an object")
    return value


def _field(answer: dict[str, object], name: str, where: str) -> object:
    if name not in answer:
        raise NotUnderstood(f"{where}{name} is missing")
    return answer[name]


def _uint32(answer: dict[str, object], name: str, where: str = "") -> int:
    value = _field(answer, name, where)
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotUnderstood(f"{where}{name} is {kind(value)}, not a whole number")
    if not 0 <= value <= MAX_UINT32:
        raise NotUnderstood(f"{where}{name} is outside of 0 to {MAX_UINT32}")
    return value


def _truth(answer: dict[str, object], name: str, where: str) -> bool:
    value = _field(answer, name, f"{where}: ")
    if not isinstance(value, bool):
        raise NotUnderstood(f"{where}: {name} is {kind(value)}, not true or false")
    return value


def _text(answer: dict[str, object], name: str, where: str) -> str:
    value = _field(answer, name, where)
    if not isinstance(value, str):
        raise NotUnderstood(f"{where}{name} is {kind(value)}, not text")
    return value


def _id(answer: dict[str, object], name: str) -> str:
    value = _text(answer, name, "")
    if not _ID.fullmatch(value):
        raise NotUnderstood(f"{name} is not an id of 64 hexadecimal digits")
    return value


def _name(answer: dict[str, object], name: str, where: str = "") -> str:
    value = _text(answer, name, where)
    if not _NAME.fullmatch(value):
        raise NotUnderstood(f"{where}{name} is not an account name: {one_line(value, 20)!r}")
    return value


def _time(answer: dict[str, object], name: str) -> float:
    value = _text(answer, name, "")
    found = _TIME.fullmatch(value)
    if found:
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        try:
            whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
        except ValueError:
            pass
        else:
            return whole + float(found[7] or 0)
    raise NotUnderstood(f"{name} is not a time: {one_line(value, 30)!r}")


def _version(answer: dict[str, object]) -> str:
    for name in ("server_version_string", "server_version"):
        value = answer.get(name)
        if isinstance(value, str):
            return value
    return ""
