"""docs/collectors_shipped.md lists what the collectors print: all of it, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from keeper.shipped.network import INNER
from keeper.shipped.tcp import STATES
from tests.peers.process import run
from tests.shipped.golden import metrics
from tests.shipped.running import Said, command, once

PAGE = (Path(__file__).parents[2] / "docs" / "collectors_shipped.md").read_text()
ROW = re.compile(r"(?m)^\| `([a-z][\w.]+\.\w+)` \| (gauge|counter) \| ([^|]+) \|([^|]*)\| .+ \|$")


def printed() -> list[Said]:
    """Return what this host has to tell, with one process to look at: ourselves."""
    comm = Path("/proc/self/comm").read_text().strip()
    return once("load", "memory", "disk", "network", "tcp", f"process:{comm}", "--all-disks", "--all-interfaces")


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    """What this host prints and what the golden texts make, against the tables: in both directions."""
    listed = [row[0] for row in ROW.findall(PAGE)]
    assert len(listed) == len(set(listed)), "a metric stands in two tables"
    shown = {one.metric for one in printed()} | metrics()
    assert shown - set(listed) == set(), "printed, but not documented"
    assert set(listed) - shown == set(), "documented, but never printed"


def test_the_tags_of_a_metric_are_documented() -> None:
    """As they are printed, none more and none less."""
    listed = {row[0]: set(re.findall(r"`(\w+)`", row[3])) for row in ROW.findall(PAGE)}
    for one in printed():
        assert set(one.tags) == listed[one.metric], one


def test_the_options_are_documented() -> None:
    """Those that --help shows."""
    shown = set(re.findall(r"--[a-z-]+", run(command("--help")).stdout)) - {"--help"}
    assert set(re.findall(r"(?m)^\| `(--[a-z-]+)", PAGE)) == shown


def test_what_is_listed_in_prose_is_complete() -> None:
    """The interfaces that are left out, and the states of a socket."""
    for word in (*INNER, *STATES.values()):
        assert f"`{word}`" in PAGE, word
