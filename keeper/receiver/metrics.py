"""The receiver's metrics, each made from its standing when Prometheus asks. All series are there from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from keeper.receiver.spread import DURABLE_BOUNDS, STORE_BOUNDS, Spread
from keeper.receiver.standing import STATES, Standing, Traffic, WorkerStands

PREFIX = "keeper_receiver_"

Rows = Iterable[tuple[Sequence[str], float]]


class Exposed(Collector):
    """`standing` is called by the thread that serves /metrics."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        now = self._standing()
        yield InfoMetricFamily(f"{PREFIX}build", "Version of keeper.", {"version": now.version})
        yield gauge("start_timestamp_seconds", "When this receiver started.", now.started)
        yield from _traffic("input", now.inputs)
        yield from _traffic("source", now.sources)
        yield from _connections(now)
        yield from _queue(now)
        yield from _workers(now.workers)
        yield gauge("dead_records", "Records in the dead-letter file.", now.dead_records)
        yield histogram("durable_seconds", "From a whole request to durable packets.", DURABLE_BOUNDS, now.durable)
        yield histogram("store_seconds", "How long storing a batch took.", STORE_BOUNDS, now.stored)

    def describe(self) -> list[Metric]:
        """Without this, registering would ask how it stands before it does."""
        return []


def _traffic(label: str, traffic: Mapping[str, Traffic]) -> Iterator[Metric]:
    def each(name: str, meaning: str, number: Callable[[Traffic], int]) -> Metric:
        return counter(f"{label}_{name}", meaning, [label], (([key], number(one)) for key, one in traffic.items()))

    yield each("requests", f"Requests by {label}.", lambda one: one.requests)
    yield each("packets", f"Packets by {label}.", lambda one: one.packets)
    yield each("events", f"Events in packets by {label}.", lambda one: one.events)
    yield each("bytes", f"Bytes of bodies by {label}.", lambda one: one.bytes)
    yield each("wrong_lines", f"Lines left out by {label}.", lambda one: one.wrong)


def _connections(now: Standing) -> Iterator[Metric]:
    seen = (([source], now.seen.get(source, 0.0)) for source in now.sources)
    yield gauges("source_last_seen_timestamp_seconds", "When it last sent; 0 for never.", ["source"], seen)
    since = (([source], now.known_since.get(source, 0.0)) for source in now.sources)
    yield gauges("source_known_timestamp_seconds", "From when on its silence counts.", ["source"], since)
    after = (([source], now.silent_after.get(source, 0.0)) for source in now.sources)
    yield gauges("source_silent_after_seconds", "How long it may be silent; 0: for ever.", ["source"], after)
    answers = (([str(code)], number) for code, number in now.answers.items())
    yield counter("answers", "Answers by HTTP, by code.", ["code"], answers)
    yield gauge("connections", "Connections that are open.", now.connections)
    yield counter("turned_away", "Connections closed at once, as too many were open.", [], [([], now.turned_away)])
    yield gauge("pending_bytes", "Bytes of bodies in memory.", now.pending_bytes)


def _queue(now: Standing) -> Iterator[Metric]:
    yield gauge("queue_up", "1 while the queue works.", not now.trouble)
    yield gauge("queue_records", "Records no worker is done with.", now.records)
    yield gauge("queue_bytes", "Bytes of records no worker is done with.", now.queue_bytes)
    yield gauge("queue_limit_bytes", "With so many bytes the queue is full; 0 if not known.", now.queue_most)
    yield gauge("queue_oldest_timestamp_seconds", "When the oldest record came; 0 without any.", now.oldest)
    yield counter("queue_lost_bytes", "Bytes a crash or a bad disk spoiled.", [], [([], now.lost)])


def _workers(workers: Sequence[WorkerStands]) -> Iterator[Metric]:
    def each(number: Callable[[WorkerStands], float]) -> Rows:
        return (([str(one.number)], number(one)) for one in workers)

    worker = ["worker"]
    by_state = (([state], sum(one.state == state for one in workers)) for state in STATES)
    yield gauges("workers", "Workers by state.", ["state"], by_state)
    yield counter("worker_deaths", "Times a worker ended by itself.", worker, each(lambda one: one.deaths))
    yield gauges("worker_trouble", "1 while it does not store.", worker, each(lambda one: bool(one.trouble)))
    by_result = (
        ([str(one.number), result], number)
        for one in workers
        for result, number in (("stored", one.fresh), ("repeated", one.repeated), ("dead", one.dead))
    )
    yield counter("worker_packets", "Packets by what became of them.", ["worker", "result"], by_result)
    yield counter("worker_events", "Events of packets that were stored.", worker, each(lambda one: one.events))
    yield counter("worker_returned_ids", "Ids that came with other content.", worker, each(lambda one: one.returned))
    last = each(lambda one: one.last)
    yield gauges("worker_last_store_timestamp_seconds", "When it last stored; 0 for never.", worker, last)


def gauge(name: str, meaning: str, value: float) -> Metric:
    return gauges(name, meaning, [], [([], value)])


def gauges(name: str, meaning: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def counter(name: str, meaning: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family


def histogram(name: str, meaning: str, bounds: Sequence[float], spread: Spread) -> Metric:
    upper = [*map(floatToGoString, bounds), "+Inf"]
    buckets = list(zip(upper, accumulate(spread.counts), strict=True))
    return HistogramMetricFamily(PREFIX + name, meaning, buckets=buckets, sum_value=spread.seconds)
