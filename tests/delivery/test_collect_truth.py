"""Collecting from random logs finds exactly what happened, however they were cut, packed, named and ordered."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from keeper.delivery.archive import find
from keeper.delivery.collect import Settings, collect
from keeper.delivery.report import Report
from keeper.delivery.scan import Wanted
from keeper.errors import KeeperError
from tests.delivery.agent_log import START, Agent, Packet, Truth

LOGS = 2000
STEPPED = 400
UTC = ZoneInfo("UTC")
TIME = re.compile(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+\] ")
DATED = re.compile(rb"^" + TIME.pattern, re.MULTILINE)
SENT = re.compile(DATED.pattern + rb"sendThrift LIST: key=.*\], packet_id=\d+\n", re.MULTILINE)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def rotated(agent: Agent, chance: random.Random, folder: Path, *, in_lines: bool) -> list[Path]:
    """Write the log in pieces, under names and in packings that say nothing of their order. Each piece has a time."""
    log = bytes(agent.log)
    places, most = agent.starts, 7
    if in_lines:  # a line is cut in two by copying and truncating; its second half is not to look like a first
        places, most = [place for place in range(len(log)) if not TIME.match(log, place)], 3
    cuts = sorted({0, *(chance.choice(places) for _ in range(chance.randrange(most)) if places)})
    pieces = [log[start:end] for start, end in zip(cuts, [*cuts[1:], len(log)], strict=True)]
    whole = [pieces[0]]
    for piece in pieces[1:]:
        # With a clock that is set, only ids tell the order: each log has some. Otherwise each has a time of its own.
        needed = SENT if agent.steps else DATED
        here, before = needed.search(piece), needed.search(whole[-1])
        if here and before and here[0][:25] != before[0][:25]:
            whole.append(piece)
        else:
            whole[-1] += piece
    names = [f"statistic.log-{number}" for number in chance.sample(range(100), len(whole))]
    paths = []
    for name, piece in zip(names, whole, strict=True):
        packings = [chance.choice(["", "", ".gz", ".gz", ".gz", ".bz2", ".xz"])]
        if chance.random() < 0.1:
            packings = ["", ".gz"]  # the same log twice
        for packing in packings:
            path = folder / (name + packing)
            path.write_bytes(PACKED[packing](piece))
            paths.append(path)
    chance.shuffle(paths)
    return paths


def collected(paths: list[Path], folder: Path, processes: int = 1) -> Report:
    settings = Settings(Wanted(added=True), UTC, processes)
    return collect(find(map(str, paths)), folder, settings, lambda index, taken: None)


def outcome(code: int | None) -> str:
    return "unanswered" if code is None else "unknown" if code in (0, 599) else "rejected"


def written(folder: Path) -> list[tuple[int, str, int, str, int, bytes]]:
    """What the folder says of each packet: id, type, time in milliseconds since START, outcome, code, data."""
    lines = {"unanswered": (folder / "collected-no-response").read_bytes().splitlines(keepends=True)}
    lines["rejected"] = lines["unknown"] = (folder / "collected-unsent").read_bytes().splitlines(keepends=True)
    files = {name: iter(content) for name, content in lines.items()}
    files["unknown"] = files["rejected"]
    found = []
    for entry in map(json.loads, (folder / "collected-index").read_text().splitlines()):
        line = next(files[entry["outcome"]])
        at = round((entry["at"] - START.timestamp()) * 1000)
        if entry["outcome"] == "unanswered":
            assert line.startswith(b"[%.3f] " % entry["at"])
            line = line.split(b" ", 1)[1]
        number, key, data = line.rstrip(b"\n").split(b": ", 2)
        assert (int(number), key.decode()) == (entry["id"], entry["key"])
        found.append((entry["id"], entry["key"], at, entry["outcome"], entry["code"] or 0, data))
    assert [list(file) for file in files.values()] == [[], [], []]
    return found


def expected(packet: Packet) -> tuple[int, str, int, str, int, bytes]:
    return packet.id, packet.key, packet.at, outcome(packet.code), packet.code or 0, packet.data


def check(report: Report, folder: Path, truth: Truth) -> None:
    assert written(folder) == [expected(packet) for packet in truth.undelivered]
    assert report.packets == len(truth.sent)
    assert report.delivered == len(truth.sent) - len(truth.undelivered)
    assert {key: kind.events for key, kind in report.kinds.items() if kind.packets} == by_type(truth.sent)
    assert {key: kind.without_id for key, kind in report.kinds.items() if kind.without_id} == truth.without_id
    assert {
        key: kind.events_without_id for key, kind in report.kinds.items() if kind.without_id
    } == truth.events_without_id
    assert report.broken == truth.broken
    assert report.unmatched == truth.unmatched
    assert sorted((folder / "collected-json").read_bytes().splitlines()) == sorted(truth.added)


def by_type(packets: list[Packet]) -> dict[str, int]:
    found: dict[str, int] = {}
    for packet in packets:
        found[packet.key] = found.get(packet.key, 0) + packet.events
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is room: each of thousands of collections is forced to disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def try_one(seed: int, number: int, within: Path, *, steps: bool, processes: int = 1) -> None:
    chance = random.Random(f"{seed} {number} {steps}")
    agent = Agent(chance, steps=steps)
    agent.run(chance.choice([0, 1, 5, 30, 100]))
    folder = within / str(number)
    folder.mkdir()
    paths = rotated(agent, chance, folder, in_lines=chance.random() < 0.2)
    print(f"log {number}: {folder}")
    if agent.log and not DATED.search(agent.log):
        with pytest.raises(KeeperError, match="none of this is a log"):
            collected(paths, folder / "out", processes)
    else:
        check(collected(paths, folder / "out", processes), folder / "out", agent.truth)
    shutil.rmtree(folder)


@pytest.mark.parametrize("part", range(4))
def test_thousands_of_random_logs(seed: int, part: int, folder: Path) -> None:
    """Whatever users wrote and wherever lines broke, agents starting again and again: the collection is the truth."""
    for number in range(LOGS // 4):
        try_one(seed + part, number, folder, steps=False)


def test_hundreds_of_logs_whose_clock_was_set(seed: int, folder: Path) -> None:
    """The clock goes back by an hour or forward by a minute now and then: packet ids tell the order of the logs."""
    for number in range(STEPPED):
        try_one(seed, number, folder, steps=True)


def test_some_random_logs_in_two_processes(seed: int, folder: Path) -> None:
    """As the command reads them where there are two processors."""
    for number in range(10):
        try_one(seed, number, folder, steps=False, processes=2)
