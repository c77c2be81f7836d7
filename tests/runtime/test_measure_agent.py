"""The metrics, the status and the page of an agent: all there from the start, true, and gone with the agent."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from keeper.build import forms, pipeline, subjects
from keeper.config import parse
from keeper.core.batch import Chunk, SourceUp
from keeper.core.event import Event, PacketAnswered, PacketResent, PacketSent, PacketUnanswered
from keeper.delivery.arrears import Arrears, Terms
from keeper.delivery.delivery import Delivery
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Parcel, Report, Stand
from keeper.delivery.recovery import Around, Recovery, RecoveryTerms
from keeper.metrics import Metrics
from keeper.page import render
from keeper.pipeline import Pipeline
from keeper.runtime.measure import Measure
from keeper.runtime.publish import Publisher
from tests.delivery.test_delivery import lines

NOW = 1_700_000_000.0
LOG = "stats/log"


class Shown:
    """One agent's pipeline and what is measured of it."""

    def __init__(self, *kept: Parcel) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.measure = Measure(self.metrics)
        self.delivery = Delivery(Arrears("stats", Terms(packets=4), kept), Recovery(RecoveryTerms()))
        self.pipeline = self.made(self.delivery)
        self.measure.declare(self.pipeline)

    def made(self, delivery: Delivery) -> Pipeline:
        text = "[agent:stats]\nlog = file:/tmp/x.log\nurl = http://x\nwire = json"
        settings = parse(text, "config", {})
        [subject] = [one for one in subjects(settings) if one.kind == "agent"]
        return pipeline(subject, settings, forms(settings)["stats"], {}, lambda *_: None, NOW, delivery=delivery)

    def series(self) -> dict[str, float]:
        """All samples of the agent, without the agent's label and the times at which series were made."""
        found = {}
        for line in generate_latest(self.metrics.registry).decode().splitlines():
            name, _, value = line.rpartition(" ")
            if 'agent="stats"' in line and "_created" not in line and "_bucket" not in line:
                found[name.replace('agent="stats",', "").replace('{agent="stats"}', "")] = float(value)
        return found


def test_every_series_is_there_from_the_start_and_gone_with_the_agent() -> None:
    """A rate never starts with a gap, and a frozen gauge would lie for ever."""
    shown = Shown()
    expected = {f'keeper_packets_undelivered{{stand="{stand.value}"}}' for stand in Stand}
    expected |= {f'keeper_resend_packets_total{{result="{result.value}"}}' for result in Result}
    expected |= {f'keeper_packets_failed_total{{outcome="{why}"}}' for why in ("rejected", "unknown", "unanswered")}
    expected |= {
        f"keeper_{name}"
        for name in (
            "packets_sent_total", "packets_delivered_total", "packets_unpairable_total", "packets_skipped_total",
            "packets_forgotten_total", "packet_answer_seconds_count", "packet_answer_seconds_sum", "resend_active",
            "resend_delivered_events_total", "oldest_undelivered_timestamp_seconds",
        )
    }  # fmt: skip
    assert shown.series() == dict.fromkeys(expected, 0.0)
    shown.measure.forget("stats")
    assert shown.series() == {}


@pytest.mark.parametrize(
    ("event", "raised"),
    [
        (PacketSent(NOW, 1, "Chat", 0, 1, 5), {"packets_sent_total": 1}),
        (
            PacketAnswered(NOW, 1, "Chat", 200, 0.25),
            {"packets_delivered_total": 1, "packet_answer_seconds_count": 1, "packet_answer_seconds_sum": 0.25},
        ),
        (PacketAnswered(NOW, 1, "Chat", 200, None), {"packets_delivered_total": 1}),
        (PacketAnswered(NOW, 1, "Chat", 500, 0.1), {'packets_failed_total{outcome="rejected"}': 1}),
        (PacketAnswered(NOW, 1, "Chat", 599, 0.1), {'packets_failed_total{outcome="unknown"}': 1}),
        (PacketAnswered(NOW, 1, "Chat", None, None), {'packets_failed_total{outcome="unknown"}': 1}),
        (PacketUnanswered(NOW, 1, "Chat", 5, NOW), {'packets_failed_total{outcome="unanswered"}': 1}),
        (
            PacketResent(NOW, 1, "Chat", 5, "accepted", 200, 0.1),
            {'resend_packets_total{result="accepted"}': 1, "resend_delivered_events_total": 5},
        ),
        (PacketResent(NOW, 1, "Chat", 5, "busy", 503, 0.1), {'resend_packets_total{result="busy"}': 1}),
    ],
)
def test_what_each_event_counts(event: Event, raised: dict[str, float]) -> None:
    """Once, and nothing else."""
    shown = Shown()
    shown.measure.events("stats", "log", [event])
    assert {name: value for name, value in shown.series().items() if value} == {
        f"keeper_{name}": value for name, value in raised.items()
    }


def test_levels_are_those_of_the_arrears_and_counters_go_on_over_a_reload() -> None:
    """Each second; a reload makes a new pipeline of the same delivery, and nothing is counted twice."""
    shown = Shown()
    for id in range(1, 7):
        shown.pipeline.take(
            Chunk(LOG, lines(id, NOW + id) + lines(id, NOW + id, 500), NOW + id, str(id)), "log", NOW + id, 0.0
        )
    shown.pipeline.take(Chunk(LOG, lines(99, NOW + 7, 200) + lines(8, NOW + 7), NOW + 7, "7"), "log", NOW + 7, 0.0)
    shown.delivery.arrears.hold(5, "a person")
    shown.delivery.running = True
    for _ in range(2):
        shown.measure.levels([shown.pipeline], NOW + 8)
    wanted = {
        'keeper_packets_undelivered{stand="open"}': 1,
        'keeper_packets_undelivered{stand="due"}': 2,
        'keeper_packets_undelivered{stand="held"}': 1,
        'keeper_packets_undelivered{stand="refused"}': 0,
        "keeper_packets_forgotten_total": 3,
        "keeper_packets_unpairable_total": 1,
        "keeper_resend_active": 1,
        "keeper_oldest_undelivered_timestamp_seconds": NOW + 4,
    }
    assert wanted.items() <= shown.series().items()
    shown.pipeline = shown.made(shown.delivery)
    shown.measure.declare(shown.pipeline)
    shown.measure.levels([shown.pipeline], NOW + 9)
    assert wanted.items() <= shown.series().items()
    shown.delivery.resent(Report(4, Result.ACCEPTED, 200, "", 0.1, sent=True), NOW + 10)
    shown.delivery.running = False
    shown.measure.levels([shown.pipeline], NOW + 10)
    assert shown.series()["keeper_oldest_undelivered_timestamp_seconds"] == NOW + 5
    assert shown.series()["keeper_resend_active"] == 0


def status_of(shown: Shown, now: float) -> dict[str, object]:
    publisher = Publisher("game-1", "A", NOW)
    publisher.publish(now, [shown.pipeline], (), [], [])
    return publisher.status


def test_the_page_says_what_is_owed_and_why_it_is_not_sent() -> None:
    """Numbers, one sentence, and a bar for each minute with answers; text of the log is only text."""
    shown = Shown()
    now = NOW + 120
    shown.pipeline.take(SourceUp(LOG, NOW), "log", NOW, 0.0)
    answers = lines(1, NOW) + lines(1, NOW, 200) + lines(2, NOW + 70) + lines(2, NOW + 71, 500) + lines(3, NOW + 119)
    shown.pipeline.take(Chunk(LOG, answers, now, "1"), "log", now, 0.0)
    shown.delivery.around = Around(blind="it says <b>no</b>")
    status = status_of(shown, now)
    [subject] = status["subjects"]  # type: ignore[misc]
    delivery = subject["delivery"]  # type: ignore[has-type]
    assert {name: delivery[name] for name in ("open", "due", "held", "refused", "events", "oldest_age")} == {
        "open": 1, "due": 1, "held": 0, "refused": 0, "events": 1, "oldest_age": 50.0
    }  # fmt: skip
    assert [(good, bad) for _, good, bad in delivery["minutes"] if good or bad] == [(1, 0), (0, 1)]
    assert (delivery["resending"], delivery["why_not"]) == (False, "it says <b>no</b>")
    page = render(status)
    assert "not sent again: it says &lt;b&gt;no&lt;/b&gt;" in page
    assert "<span class=dim>due</span> <b>1</b>" in page
    shown.delivery.running = True
    assert "being sent again" in render(status_of(shown, now))


def test_a_page_without_anything_owed_is_silent_about_it() -> None:
    """No sentence about nothing; and a node has no delivery at all."""
    shown = Shown()
    page = render(status_of(shown, NOW))
    assert "sent again" not in page
    assert "events undelivered" in page
