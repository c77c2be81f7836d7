"""`keeper replay` of the recordings against `mtail --one_shot` with an equal program (nodeos.mtail), both as whole
processes over the same log, in turns."""

from __future__ import annotations

import compileall
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import keeper
from bench.cost import Cost, run
from bench.figures import Figure, at_least
from bench.recorded import OTHERS, OURS, RECORDINGS, repeated
from keeper.commands.replay import complete
from keeper.core.event import BlockProduced, BlockReceived, NodeStarted, NotProducing, PeerCount, ProducerPaused
from keeper.formats.nodeos import NodeosFormat

LINES = 500_000
TIMES = 5  # runs of each
TARGET = 3.0  # times the lines a second of mtail

PROGRAM = Path(__file__).with_name("nodeos.mtail")
KEEPER = Path(sys.executable).with_name("keeper")

# mtail's counters and the events they count. (Its gauges hold the last of many.)
SAME: dict[str, type] = {
    "blocks_received": BlockReceived,
    "blocks_produced": BlockProduced,
    "not_producing": NotProducing,
    "paused": ProducerPaused,
    "starts": NodeStarted,
    "peer_counts": PeerCount,
}


def figures(directory: Path, quick: bool) -> Iterator[Figure]:
    mtail = shutil.which("mtail")
    assert mtail, "mtail is not installed; `make peers` installs it"
    # As pip does where keeper is installed; an editable install may be kept from it (PYTHONDONTWRITEBYTECODE).
    compileall.compile_dir(Path(keeper.__file__).parent, quiet=1)
    for name in ("B",) if quick else RECORDINGS:
        yield from compared(name, mtail, directory, 20_000 if quick else LINES, 1 if quick else TIMES)


def compared(name: str, mtail: str, directory: Path, lines: int, times: int) -> Iterator[Figure]:
    """Both over one recording, repeated."""
    log = directory / f"{name}.log"
    lines = repeated(name, lines, log)
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    shutil.copy(PROGRAM, programs)
    theirs = [mtail, "--one_shot", "--one_shot_format=json", f"--progs={programs}", f"--log_dir={directory}"]
    theirs += [f"--logs={log}"]
    config = directory / f"{name}.ini"
    config.write_text(configuration(name))
    ours = [str(KEEPER), "replay", "-c", str(config), str(log)]
    own, peer = [], []
    for _ in range(times):
        own.append(run(ours, directory / "keeper.out"))
        peer.append(run(theirs, directory / "mtail.out"))
    agree(log, directory / "mtail.out")
    what = f"replay of {name}, {lines:,} lines"
    yield Figure(f"{what}: keeper", told(own, lines))
    yield Figure(f"{what}: mtail", told(peer, lines))
    wall = median(cost.wall for cost in peer) / median(cost.wall for cost in own)
    cpu = median(cost.cpu for cost in peer) / median(cost.cpu for cost in own)
    yield at_least(f"{what}: keeper to mtail, lines a second", wall, TARGET, "x")
    yield at_least(f"{what}: keeper to mtail, lines a second of processor time", cpu, TARGET, "x")
    log.unlink()


def configuration(name: str) -> str:
    """Every rule is on, with the role the recorded node had."""
    role = name if name in "ABC" else "A"
    producers = ", ".join(OTHERS) if name == "net" else OURS
    node = f"[node]\nproducer = {producers}\nrole = {role}\nlog = file:/var/log/nodeos.log\n"
    return f"{node}[rule:exception_logged]\nenabled = yes\n"


def told(costs: list[Cost], lines: int) -> str:
    wall, cpu = median(cost.wall for cost in costs), median(cost.cpu for cost in costs)
    return f"{wall:.2f} s, {cpu:.2f} s of processor, {lines / wall:,.0f} lines/s"


def agree(log: Path, store: Path) -> None:
    """Both have seen the same, or the comparison means nothing. AssertionError with what differs."""
    form = NodeosFormat()
    events = Counter(type(event) for data in complete(log) for event in form.parse(data, 0.0).events)
    counters = json.loads(store.read_text())
    for name, kind in SAME.items():
        counted = sum(one["Value"]["Value"] for metric in counters[name] for one in metric.get("LabelValues") or [])
        assert counted == events[kind], f"mtail counted {counted} {name}, keeper {events[kind]}"
