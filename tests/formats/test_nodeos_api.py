"""Answers of nodeos' HTTP API of every generation, and everything that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.event import Event, PausedAnswer, ScheduleAnswer
from keeper.formats.json_answer import NotUnderstood
from keeper.formats.nodeos_api import complaint, connections, info, paused, reference, schedule

CHAIN = "aca376f206b8fc25a6ed44dbdc66547c36c6c33e3a119ffbeaef943642f0e906"
HEAD = "0000271a" + "5c" * 28
LIB = "00002666" + "1d" * 28

DAWN2: dict[str, Any] = {
    "server_version": "7c0b0d38",
    "head_block_num": 10010,
    "last_irreversible_block_num": 9830,
    "head_block_id": HEAD,
    "head_block_time": "2018-01-12T08:30:15",
    "head_block_producer": "initd",
    "recent_slots": "1111111111111111111111111111111111111111111111111111111111111111",
    "participation_rate": "1.00000000000000000",
}
DAWN3 = {k: v for k, v in DAWN2.items() if k not in ("recent_slots", "participation_rate")}
DAWN40 = DAWN3 | {
    "last_irreversible_block_id": LIB,
    "virtual_block_cpu_limit": 100000000,
    "virtual_block_net_limit": 1048576000,
    "block_cpu_limit": 99900,
    "block_net_limit": 1048576,
}
DAWN42 = DAWN40 | {"chain_id": CHAIN}
V104 = DAWN42 | {"head_block_time": "2018-07-02T11:42:06.500", "virtual_block_net_limit": "18446744073709551615"}
V120 = V104 | {"server_version_string": "v1.2.0"}
V18 = V120 | {"server_version_string": "v1.8.14", "fork_db_head_block_num": 10010, "fork_db_head_block_id": HEAD}
V20 = V18 | {"server_version_string": "v2.0.13", "server_full_version_string": "v2.0.13-" + "3a" * 20}
LEAP = V20 | {
    "server_version_string": "v3.1.5",
    "last_irreversible_block_time": "2022-12-01T00:00:00.000",
    "total_cpu_weight": "383022116538926",
    "total_net_weight": "96190045218325",
    "earliest_available_block_num": 1,
}
SPRING = LEAP | {"server_version_string": "v1.2.2"}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("answer", "head_time", "chain_id", "version"),
    [
        (DAWN2, 1515745815.0, "", "7c0b0d38"),
        (DAWN3, 1515745815.0, "", "7c0b0d38"),
        (DAWN40, 1515745815.0, "", "7c0b0d38"),
        (DAWN42, 1515745815.0, CHAIN, "7c0b0d38"),
        (V104, 1530531726.5, CHAIN, "7c0b0d38"),
        (V120, 1530531726.5, CHAIN, "v1.2.0"),
        (V18, 1530531726.5, CHAIN, "v1.8.14"),
        (V20, 1530531726.5, CHAIN, "v2.0.13"),
        (LEAP, 1530531726.5, CHAIN, "v3.1.5"),
        (SPRING, 1530531726.5, CHAIN, "v1.2.2"),
    ],
    ids=["dawn2", "dawn3", "dawn4.0", "dawn4.2", "1.0.4", "1.2.0", "1.8", "2.0", "leap", "spring"],
)
def test_get_info_of_every_generation(answer: dict[str, Any], head_time: float, chain_id: str, version: str) -> None:
    """Head, LIB, producer and the head's time in UTC are read from all generations; chain and version where told."""
    event = info(body(answer), 5.0, 0.25)
    assert (event.at, event.took) == (5.0, 0.25)
    assert (event.head, event.head_id, event.lib) == (10010, HEAD, 9830)
    assert (event.head_time, event.head_producer) == (head_time, "initd")
    assert (event.chain_id, event.version) == (chain_id, version)
    other = reference(body(answer), 6.0, "https://one.example")
    assert other == (6.0, "https://one.example", 10010, HEAD, head_time, 9830, chain_id)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"head_block_num": 0}, "head_block_num is 0, the node has not loaded its chain"),
        ({"head_block_num": "10010"}, "head_block_num is text, not a whole number"),
        ({"head_block_num": 10010.0}, "head_block_num is a number, not a whole number"),
        ({"head_block_num": True}, "head_block_num is a truth value, not a whole number"),
        ({"head_block_num": None}, "head_block_num is null, not a whole number"),
        ({"head_block_num": 2**63}, "head_block_num is outside of 0 to 4294967295"),
        ({"head_block_num": -1}, "head_block_num is outside of 0 to 4294967295"),
        ({"last_irreversible_block_num": {}}, "last_irreversible_block_num is an object, not a whole number"),
        ({"head_block_id": HEAD.upper()}, "head_block_id is not an id of 64 hexadecimal digits"),
        ({"head_block_id": HEAD + "\n"}, "head_block_id is not an id of 64 hexadecimal digits"),
        ({"head_block_id": 7}, "head_block_id is a number, not text"),
        ({"chain_id": "x"}, "chain_id is not an id of 64 hexadecimal digits"),
        ({"head_block_time": "yesterday"}, "head_block_time is not a time: 'yesterday'"),
        ({"head_block_time": "2018-02-30T00:00:00"}, "head_block_time is not a time: '2018-02-30T00:00:00'"),
        ({"head_block_time": "0000-00-00T00:00:00"}, "head_block_time is not a time: '0000-00-00T00:00:00'"),
        (
            {"head_block_time": "2018-07-02T11:42:06+02:00"},
            "head_block_time is not a time: '2018-07-02T11:42:06+02:00'",
        ),
        ({"head_block_time": "٢٠١٨-07-02T11:42:06"}, "head_block_time is not a time: '٢٠١٨-07-02T11:42:06'"),
        ({"head_block_producer": "evil\nname"}, "head_block_producer is not an account name: 'evil name'"),
        ({"head_block_producer": "a" * 14}, "head_block_producer is not an account name: 'aaaaaaaaaaaaaa'"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(list(value.items()))[:40],
)
def test_a_wrong_field_is_named(change: dict[str, object], reason: str) -> None:
    """A field that cannot be what nodeos says makes the whole answer not understood, and the reason names the field."""
    with pytest.raises(NotUnderstood) as raised:
        info(body(V18 | change), 0.0, 0.0)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    "name", ["head_block_num", "last_irreversible_block_num", "head_block_id", "head_block_time", "head_block_producer"]
)
def test_a_missing_field_is_named(name: str) -> None:
    """An answer without a field that every generation has is not understood."""
    with pytest.raises(NotUnderstood, match=f"^{name} is missing$"):
        info(body({k: v for k, v in V18.items() if k != name}), 0.0, 0.0)


def test_the_first_seconds_of_a_chain_are_understood() -> None:
    """A chain that just began has no irreversible block and no producer of its head yet."""
    event = info(
        body(DAWN3 | {"head_block_num": 1, "last_irreversible_block_num": 0, "head_block_producer": ""}), 0.0, 0.0
    )
    assert (event.head, event.lib, event.head_producer) == (1, 0, "")


def test_an_array_is_no_answer() -> None:
    """An array where an object belongs is not understood."""
    with pytest.raises(NotUnderstood, match=r"^the answer is an array, not an object$"):
        info(b"[]", 0.0, 0.0)


def test_paused_is_a_bare_truth_value() -> None:
    """The producer API answers `true` or `false` and nothing else."""
    assert paused(b"true", 1.0) == PausedAnswer(1.0, True)
    assert paused(b"false\n", 1.0) == PausedAnswer(1.0, False)
    for wrong, what in ((b"1", "a number"), (b'"true"', "text"), (b"{}", "an object"), (b"null", "null")):
        with pytest.raises(NotUnderstood, match=f"^the answer is {what}, not true or false$"):
            paused(wrong, 1.0)


OLD_KEYS = [
    {"producer_name": "bpa", "block_signing_key": "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"},
    {"producer_name": "bp.b", "block_signing_key": "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"},
]
NEW_KEYS = [{"producer_name": "bpc", "authority": [0, {"threshold": 1, "keys": [{"key": "EOS6MRyA", "weight": 1}]}]}]


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ({"active": {"version": 3, "producers": OLD_KEYS}, "pending": None, "proposed": None},
         ScheduleAnswer(0.0, 3, ("bpa", "bp.b"), ())),
        ({"active": {"version": 3, "producers": OLD_KEYS}, "pending": {"version": 3, "producers": []},
          "proposed": {"version": 4, "producers": NEW_KEYS}}, ScheduleAnswer(0.0, 3, ("bpa", "bp.b"), ("bpc",))),
        ({"active": {"version": 4, "producers": NEW_KEYS}, "pending": {"version": 5, "producers": OLD_KEYS},
          "proposed": {"version": 6, "producers": NEW_KEYS}}, ScheduleAnswer(0.0, 4, ("bpc",), ("bpa", "bp.b"))),
        ({"active": {"version": 0, "producers": NEW_KEYS}}, ScheduleAnswer(0.0, 0, ("bpc",), ())),
    ],
    ids=["nothing coming", "proposed", "pending before proposed", "active alone"],
)  # fmt: skip
def test_the_schedule(answer: object, event: ScheduleAnswer) -> None:
    """The active producers are read with either kind of key; what is coming is pending, else proposed, else nothing."""
    assert schedule(body(answer), 0.0) == event


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "active is null, not an object"),
        ({"active": {"version": 1}}, "active.producers is null, not an array"),
        ({"active": {"version": 1, "producers": []}}, "active.producers is empty, and no chain runs without producers"),
        ({"active": {"producers": OLD_KEYS}}, "active.version is missing"),
        ({"active": {"version": 1, "producers": ["bpa"]}}, "active.producers[] is text, not an object"),
        ({"active": {"version": 1, "producers": [{"producer_name": 1}]}},
         "active.producers[].producer_name is a number, not text"),
        ({"active": {"version": 1, "producers": OLD_KEYS * 63}}, "active.producers has 126 entries, nodeos allows 125"),
        ({"active": {"version": 1, "producers": OLD_KEYS}, "pending": []}, "pending is an array, not an object"),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_schedule_that_is_none(answer: object, reason: str) -> None:
    """A schedule with a wrong or missing part is not understood, and the reason names the part."""
    with pytest.raises(NotUnderstood) as raised:
        schedule(body(answer), 0.0)
    assert str(raised.value) == reason


SHAKEN = {"network_version": 1206, "p2p_address": "one.example:9876 - 3a2b1c4", "generation": 1}
FORGOTTEN = {"network_version": 0, "p2p_address": "", "generation": -21573}


@pytest.mark.parametrize(
    ("rows", "peers"),
    [
        ([], 0),
        ([{"peer": "a:9876", "connecting": False, "syncing": False, "last_handshake": SHAKEN},
          {"peer": "b:9876", "connecting": True, "syncing": False, "last_handshake": FORGOTTEN},
          {"peer": "c:9876", "connecting": False, "syncing": False, "last_handshake": FORGOTTEN},
          {"peer": "", "connecting": False, "syncing": True, "last_handshake": SHAKEN}], 2),
        ([{"peer": "a:9876", "connecting": False, "syncing": False}], 1),
        ([{"peer": "a:9876", "connecting": False, "is_socket_open": True, "last_handshake": FORGOTTEN},
          {"peer": "b:9876", "connecting": False, "is_socket_open": False, "last_handshake": SHAKEN}], 1),
    ],
    ids=["none", "before spring", "no handshake told", "spring"],
)  # fmt: skip
def test_open_connections_are_counted(rows: object, peers: int) -> None:
    """A closed connection stays listed and is not `connecting`: `is_socket_open` or the lost handshake tells it."""
    event = connections(body(rows), 9.0)
    assert (event.at, event.clients, event.peers) == (9.0, 0, peers)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "the answer is an object, not an array of connections"),
        ([1], "connection 0 is a number, not an object"),
        ([{"peer": "a"}], "connection 0: connecting is missing"),
        ([{"connecting": False}, {"is_socket_open": 1}], "connection 1: is_socket_open is a number, not true or false"),
    ],
    ids=range(4),
)
def test_connections_that_are_none(answer: object, reason: str) -> None:
    """A list of connections with a wrong entry is not counted at all."""
    with pytest.raises(NotUnderstood) as raised:
        connections(body(answer), 0.0)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("status", "answer", "sentence"),
    [
        (500, {"code": 500, "message": "Internal Service Error", "error": {"code": 3010010, "name": "packed",
               "what": "Invalid packed transaction", "details": [{"message": "odd bytes", "file": "x.cpp"}]}},
         "answered 500 Internal Server Error: Invalid packed transaction: odd bytes"),
        (404, {"code": 404, "message": "Not Found", "error": {"code": 0, "name": "exception", "what": "unspecified",
               "details": [{"message": "Unknown Endpoint"}]}},
         "answered 404 Not Found: unspecified: Unknown Endpoint"),
        (503, {"error": {"what": "x\ny" * 200}}, "answered 503 Service Unavailable: " + ("x y" * 67)[:199] + "…"),
        (500, {"error": "boom"}, "answered 500 Internal Server Error"),
        (500, {"error": {"what": 7, "details": [["odd"]]}}, "answered 500 Internal Server Error"),
        (500, {"error": {"what": "same", "details": [{"message": "same"}]}},
         "answered 500 Internal Server Error: same"),
        (502, "<html>", "answered 502 Bad Gateway"),
        (999, None, "answered 999"),
    ],
    ids=range(8),
)  # fmt: skip
def test_a_complaint_carries_the_message_of_nodeos(status: int, answer: object, sentence: str) -> None:
    """An error answer is told by its status and what nodeos says in it, on one line of at most 200 characters."""
    assert complaint(status, body(answer)) == sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["active", "pending", "producers", "version", "producer_name", "connecting", "is_socket_open",
                         "last_handshake", "error", "details", "what", "message"]) | st.text(max_size=5),
        inner, max_size=5),
    max_leaves=25,
)  # fmt: skip

READERS: list[Callable[[bytes], Event | str]] = [
    lambda data: info(data, 0.0, 0.0),
    lambda data: reference(data, 0.0, "x"),
    lambda data: paused(data, 0.0),
    lambda data: schedule(data, 0.0),
    lambda data: connections(data, 0.0),
    lambda data: complaint(500, data),
]


@given(
    st.binary()
    | JSON.map(body)
    | st.builds(lambda name, value: body(SPRING | {name: value}), st.sampled_from(sorted(SPRING)), JSON)
)
def test_no_answer_breaks_a_reader(data: bytes) -> None:
    """Whatever the bytes are, every reader gives an event or says that it does not understand."""
    for read in READERS:
        try:
            read(data)
        except NotUnderstood as error:
            assert str(error).isprintable()
