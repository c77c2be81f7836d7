"""The receiver's metrics: all there from the start, right, and as Prometheus wants them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from keeper.receiver.metrics import Exposed
from keeper.receiver.spread import DURABLE_BOUNDS, NONE_DURABLE, Spread, Spreading
from keeper.receiver.standing import CODES, INPUTS, STATES, Standing
from tests.peers.prometheus import promtool
from tests.receiver.standings import EMPTY, LIVELY, NASTY, NOW, TROUBLE


def served(standing: Standing) -> str:
    registry = CollectorRegistry()
    registry.register(Exposed(lambda: standing))
    return generate_latest(registry).decode()


def samples(standing: Standing) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(served(standing))
    return {
        (sample.name.removeprefix("keeper_receiver_"), tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("standing", [EMPTY, LIVELY, TROUBLE, NASTY], ids=["empty", "lively", "trouble", "nasty"])
def test_promtool_finds_no_fault(standing: Standing) -> None:
    """Names, types, helps, units and escapes are as Prometheus wants them."""
    checked = promtool("check", "metrics", stdin=served(standing))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_every_series_is_there_from_the_start() -> None:
    """A new receiver has all that a busy one has, but for sources and workers of another configuration; with 0."""
    new = samples(EMPTY)
    busy = samples(replace(LIVELY, sources=EMPTY.sources, seen=EMPTY.seen, workers=EMPTY.workers))
    assert new.keys() == busy.keys()
    assert {labels[0] for name, labels in new if name == "input_packets_total"} == set(INPUTS)
    assert {labels[0] for name, labels in new if name == "answers_total"} == {str(code) for code in CODES}
    assert {labels[0] for name, labels in new if name == "workers"} == set(STATES)
    assert new["source_last_seen_timestamp_seconds", ("default",)] == 0


def test_they_say_how_it_stands() -> None:
    """Each number of the standing, where it is looked for."""
    said = samples(TROUBLE)
    assert said["queue_up", ()] == 0
    assert said["queue_records", ()] == 1_904_112
    assert said["queue_limit_bytes", ()] == 1 << 30
    assert said["queue_oldest_timestamp_seconds", ()] == NOW - 8_400
    assert said["queue_lost_bytes_total", ()] == 4096
    assert said["input_wrong_lines_total", ("lines",)] == 41
    assert said["source_packets_total", ("shop",)] == 123_333
    assert said["turned_away_total", ()] == 61
    assert [said["workers", (state,)] for state in STATES] == [1, 1, 1, 0]
    assert said["worker_deaths_total", ("2",)] == 11
    assert [said["worker_trouble", (worker,)] for worker in "123"] == [1, 1, 0]
    results = ("stored", "repeated", "dead")
    assert [said["worker_packets_total", (result, "3")] for result in results] == [912_345, 1_204, 7]
    assert said["worker_returned_ids_total", ("3",)] == 3
    assert said["dead_records", ()] == 7
    assert samples(LIVELY)["queue_up", ()] == 1
    watched = samples(replace(LIVELY, silent_after={**LIVELY.silent_after, "shop": 600.0}))
    assert [watched["source_silent_after_seconds", (source,)] for source in ("shop", "collectors")] == [600, 0]
    assert watched["source_known_timestamp_seconds", ("shop",)] == NOW - 93_600


def test_how_long_things_took_is_a_histogram() -> None:
    """A bucket holds what took at most its bound, and what took longer than all is in +Inf alone."""
    spreading = Spreading(DURABLE_BOUNDS)
    for seconds in (0.0, 0.0005, 0.00051, 0.03, 11.0):
        spreading.took(seconds)
    assert sum(spreading.spread().counts) == 5
    said = samples(replace(EMPTY, durable=spreading.spread()))
    assert said["durable_seconds_bucket", ("0.0005",)] == 2
    assert said["durable_seconds_bucket", ("0.001",)] == 3
    assert said["durable_seconds_bucket", ("0.03",)] == 4
    assert said["durable_seconds_bucket", ("10.0",)] == 4
    assert said["durable_seconds_bucket", ("+Inf",)] == said["durable_seconds_count", ()] == 5
    assert said["durable_seconds_sum", ()] == pytest.approx(11.03101)


def test_what_several_processes_took_adds_up() -> None:
    """Bound by bound; nothing added to it is the same."""
    one = Spread((1, 0, 2), 3.5)
    assert one + Spread((0, 4, 1), 1.0) == Spread((1, 4, 3), 4.5)
    assert NONE_DURABLE + NONE_DURABLE == NONE_DURABLE
