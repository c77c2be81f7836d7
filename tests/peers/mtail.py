"""Debian's mtail, run once over finished logs: the peer of the benchmarks of reading."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.peers import installed
from tests.peers.process import run


class OneShot(NamedTuple):
    """`seconds` of wall time for the whole process; `metrics` is mtail's store: name → its list of labelled values."""

    seconds: float
    metrics: dict[str, list[dict[str, Any]]]

    def value(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        return float(sum(label["Value"]["Value"] for metric in self.metrics[name] for label in metric["LabelValues"]))


def one_shot(program: str, logs: Sequence[Path], directory: Path, deadline: float = 600.0) -> OneShot:
    """Run `mtail --one_shot` with a program text over log files; AssertionError with its words when it fails.

    `directory` gets the program and mtail's own logs.
    """
    programs = directory / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    (programs / "peer.mtail").write_text(program)
    argv = [
        installed("mtail"),
        "--one_shot",
        "--one_shot_format=json",
        f"--progs={programs}",
        f"--log_dir={directory}",
        *(f"--logs={log}" for log in logs),
    ]
    began = time.perf_counter()
    done = run(argv, deadline=deadline)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, done.stderr[-2000:]
    return OneShot(seconds, json.loads(done.stdout))
