"""Whatever stands before a line, and whatever its clock shows, the event and its time are the same."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from keeper.core.event import BlockReceived, NotProducing, PeerCount
from keeper.formats.nodeos import NodeosFormat
from keeper.formats.nodeos_prefix import HourClock
from tests.formats.samples import SEEN, Sample, read, recording, samples

WRAPPED_ALREADY = (b"eos  ", b"Jan 15", b"Dec 15", b"Jul 18", b"0|", b"node_bios")
BARE = tuple(sample for sample in samples() if not sample.line.startswith(WRAPPED_ALREADY))


def lines_of(sample: Sample) -> list[bytes]:
    return sample.line.split(b"\n")


def json_file(line: bytes) -> bytes:
    record = {"log": line.decode() + "\n", "stream": "stderr", "time": "2026-11-20T20:19:03.493123456Z"}
    return json.dumps(record, separators=(",", ":")).encode()


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "journald": lambda line: b"Nov  2 20:19:03 tokyo-1 nodeos[23735]: " + line,
    "journald without host": lambda line: b"Nov 20 20:19:03  start.sh[23735]: " + line,
    "syslog": lambda line: b"Nov 20 20:19:03 tokyo-1.example.com nodeos: " + line,
    "rsyslog": lambda line: b"2026-11-20T20:19:03.493123+00:00 tokyo-1 nodeos[23735]: " + line,
    "journalctl short-iso": lambda line: b"2026-11-20T20:19:03+0100 tokyo-1 nodeos[23735]: " + line,
    "docker -t": lambda line: b"2026-11-20T20:19:03.493123456Z " + line,
    "json-file": json_file,
    "compose": lambda line: b"eos        | " + line,
    "compose v2": lambda line: b"nodeos-1  | " + line,
    "compose colours": lambda line: b"\x1b[36mnodeos-1  |\x1b[0m " + line,
    "pm2": lambda line: b"0|script_c | " + line,
    "grep": lambda line: b"node_bios/stderr.2024_10_01_11_52_13.txt:" + line,
    "tmux": lambda line: b"\xe2\x94\x82 " + line + b"    \xe2\x94\x82",
    "systemd level": lambda line: b"<6>" + line,
    "journald of a level": lambda line: b"Nov 20 20:19:03 tokyo-1 nodeos[23735]: <4>" + line,
    "carriage return": lambda line: line + b"\r",
    "colours": lambda line: b"\x1b[33m" + line + b"\x1b[0m",
    "dawn colours": lambda line: b"\r\x1b[33m" + line + b"\r\x1b[0m",
    "hole of a truncated file": lambda line: b"\0" * 5000 + line,
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_changes_no_event(wrapper: str) -> None:
    """Every sample, each physical line wrapped as journald, Docker and the others do, the details included."""
    for sample in BARE:
        wrapped = b"".join(WRAPPERS[wrapper](line) + b"\n" for line in lines_of(sample))
        bare = read(sample.line + b"\n")
        assert read(wrapped) == bare, sample


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_recording_is_recognised_to_the_last_line(wrapper: str) -> None:
    """And gives the events of the bare one."""
    data = recording("B")
    form = NodeosFormat()
    parsed = form.parse(b"".join(WRAPPERS[wrapper](line) + b"\n" for line in data.splitlines()), SEEN)
    assert (parsed.recognized, parsed.unrecognized) == (2899, 0)
    assert parsed.events == NodeosFormat().parse(data, SEEN).events


PAUSED = b" thread-0   producer_plugin.cpp:239   block_production_loo ] Not producing block because it isn't my turn\n"
BLOCK = (
    b"%dms thread-0   producer_plugin.cpp:290       on_incoming_block    ] Received block ccd98d7b9bfd05b2... #475854 "
    b"@ 2018-06-13T05:%02d:%02d.000 signed by genesisblock [trxs: 0, lib: 475853, conf: 0, latency: %d ms]\n"
)
FIVE = 1528866000.0  # 2018-06-13T05:00:00Z


def at(data: bytes, seen: float) -> float:
    return read(data, seen)[-1].at


def test_the_hour_is_the_newest_that_is_not_in_the_future() -> None:
    """Before any block names the hour, the arrival does; a node's clock may be five minutes ahead of ours."""
    assert at(b"1800000ms" + PAUSED, FIVE + 1801) == FIVE + 1800
    assert at(b"3599000ms" + PAUSED, FIVE + 1) == FIVE - 1
    assert at(b"1000ms" + PAUSED, FIVE + 3599) == FIVE + 3601
    assert at(b"290000ms" + PAUSED, FIVE) == FIVE + 290
    assert at(b"310000ms" + PAUSED, FIVE) == FIVE + 310 - 3600


def test_a_block_names_the_hour_for_the_lines_after_it() -> None:
    """An old log read years later; the hour wraps between two lines."""
    later = FIVE + 1e8
    log = BLOCK % (3599100, 59, 59, 100) + b"3599900ms" + PAUSED + b"100ms" + PAUSED + b"1700000ms" + PAUSED
    expected = [FIVE + 3599.1, FIVE + 3599.9, FIVE + 3600.1, FIVE + 5300.0]
    assert [event.at for event in read(log, later)] == pytest.approx(expected)


def test_the_latency_of_an_old_block_names_the_hour_too() -> None:
    """While syncing, a block's time is days old; with the latency it still says when the line was written."""
    line = BLOCK % (2449775, 31, 19, 198570775)  # both figures from the real line of EOSIO/eos#4269
    assert at(line, SEEN) == FIVE + 31 * 60 + 19 + 198570.775  # which is 49.775 s past minute 40, as the column says


def test_an_old_block_without_latency_does_not_move_the_clock() -> None:
    """Dawn 3 prints old blocks while syncing; their times are far from the line's minute and are not believed."""
    old = (
        b"1800000ms thread-0   chain_controller.cpp:176      push_block           ] push block #7 from lion "
        b"2018-05-03T01:50:20.500  00000007375ff00710c6a5ad1cf2b6bc94f734418b895aa763a7be0b36e31f42 lib: 1 success\n"
    )
    [block] = read(old, FIVE + 1801)
    assert isinstance(block, BlockReceived)
    assert block.at == FIVE + 1800


def test_time_goes_on_with_the_arrival_between_blocks() -> None:
    """A log that was silent for three hours is dated by how far it lay behind before."""
    clock = HourClock()
    assert clock.date(1_800_000, FIVE + 1802, FIVE + 1800) == FIVE + 1800
    assert clock.date(1_900_000, FIVE + 3 * 3600 + 1902, None) == FIVE + 3 * 3600 + 1900


@pytest.mark.parametrize(
    "line",
    [
        b"info  2026-13-20T20:19:03.493 nodeos    main.cpp:1    main ] closing",
        b"info  0000-00-00T00:00:00.000 nodeos    main.cpp:1    main ] closing",
        b"info  2026-11-20T25:19:03.493 nodeos    main.cpp:1    main ] closing",
        b"info  2026-11-20T20:19:63.493 nodeos    main.cpp:1    main ] closing",
        b"info  2026-11-20T20:19:03.493 nodeos    main.cpp:1    main closing",
        b"info  2026-11-20 20:19:03.493 nodeos    main.cpp:1    main ] closing",
        b"info  2026-11-20T20:19:03.493 ] closing",
        b"info  2026-11-20T20:19:03.493 [main] com.example.Main closing",
        b"INFO  2026-11-20T20:19:03.493 nodeos    main.cpp:1    main ] closing",
        b"2026-11-20T20:19:03.493Z level=info msg=closing",
        b"",
    ],
)
def test_other_peoples_lines_are_not_recognised(line: bytes) -> None:
    """Impossible times and other programs' logs count as unrecognised."""
    parsed = NodeosFormat().parse(line + b"\n", SEEN)
    assert (parsed.events, parsed.recognized, parsed.unrecognized) == ([], 0, 1)


def test_the_thread_may_be_blank_and_columns_may_have_collapsed() -> None:
    """Early 2018 builds print no thread; people and grep collapse spaces."""
    columns = b"x.cpp:60       f       ] p2p client connections: 1/2, peer connections: 3/4\n"
    [event] = read(b"1330133ms            " + columns)
    assert isinstance(event, PeerCount)
    assert (event.clients, event.peers) == (1, 3)
    line = b"error 2026-11-20T20:19:03.493 x.cpp:1 f ] Not producing block because of rain\n"
    assert read(line) == [NotProducing(1795205943.493, "other", "of rain")]
