"""The receiver's page: what it says, that it says nothing but words, and that a browser shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry

from keeper.receiver.chart import Series, above, stacked
from keeper.receiver.metrics import Exposed
from keeper.receiver.page import render
from keeper.receiver.page_tables import MEANING, size, within
from keeper.receiver.pages import ReceiverPages
from keeper.receiver.standing import CODES, COUNTED_HOURS, STOPPED, Standing
from keeper.receiver.stores.store import HOUR
from keeper.receiver.words import notable, span, well, wrong
from keeper.runtime.serve import Server
from keeper.runtime.watch import Thread
from tests.peers.browser import dump_dom, screenshot
from tests.receiver.standings import EMPTY, HOSTILE, LIVELY, NASTY, NOW, TROUBLE, worker

ALL = [EMPTY, LIVELY, TROUBLE, NASTY]


@pytest.mark.parametrize(("standing", "sentence"), [
    (EMPTY, "All is well. No packet has come yet in 42 s."),
    (LIVELY, "All is well. Of 1,482,850 packets that came, 412 wait for the store, the oldest for less than 1 s."),
    (replace(LIVELY, records=1, oldest=NOW - 9), "All is well. Of 1,482,850 packets that came, 1 waits for the store, "
     "the oldest for 9 s."),
    (replace(LIVELY, records=0, oldest=0.0), "All is well. Of 1,482,850 packets that came, none waits for the store."),
    (replace(EMPTY, records=5, oldest=0.0), "All is well. Of 0 packets that came, 5 wait for the store."),
])  # fmt: skip
def test_it_says_that_all_is_well(standing: Standing, sentence: str) -> None:
    """One sentence with what came and what waits."""
    assert wrong(standing.shown()) == []
    assert well(standing.shown()) == sentence
    assert sentence in render(standing.shown())


@pytest.mark.parametrize(("change", "sentence"), [
    ({"trouble": "the disk is full."},
     "The queue takes nothing: the disk is full. Senders are refused and have to send again."),
    ({"records": 1, "oldest": NOW - 301}, "1 packet waits for the store, the oldest for 5 min."),
    ({"records": 2, "oldest": NOW - 90_000}, "2 packets wait for the store, the oldest for 25 h."),
    ({"queue_bytes": 900, "queue_most": 1000}, "The queue is 90% full; when it is full, senders are answered 429."),
    ({"workers": [worker(3, trouble="database is locked", last=NOW - 240), worker(4)]},
     "Worker 3 cannot store: database is locked. It last did 4 min ago."),
    ({"workers": [worker(3, trouble="database is locked", last=0.0)]}, "Worker 3 cannot store: database is locked."),
    ({"workers": [worker(3, state="crash_loop", deaths=9, trouble="signal 9"), worker(4)]},
     "Worker 3 ends again and again, 9 times so far: signal 9."),
    ({"workers": [worker(3, state="resting", deaths=1), worker(4)]},
     "Worker 3 ended and rests before it is started again."),
    ({"silent_after": {"shop": 600.0}}, "A sender has been silent for too long: shop (4 h)."),
    ({"silent_after": {"shop": 600.0, "collectors": 9.5, "agent-osaka": 10.0, "agent-tokyo": 0.0}},
     "Senders have been silent for too long: shop (4 h), collectors (14 s)."),
    ({"sources": (some := {f"s{n}": LIVELY.sources["shop"] for n in range(9)}), "seen": dict.fromkeys(some, 0.0),
      "silent_after": dict.fromkeys(some, 60.0), "known_since": dict.fromkeys(some, NOW - 90)},
     "Senders have been silent for too long: s0 (90 s), s1 (90 s), s2 (90 s), s3 (90 s), s4 (90 s) and 4 more."),
])  # fmt: skip
def test_it_says_what_is_wrong_and_why(change: dict[str, Any], sentence: str) -> None:
    """One thing that is wrong is one sentence, and the page is red."""
    standing = replace(LIVELY, **change).shown()
    assert wrong(standing) == [sentence]
    assert "<title>failing: receiver tokyo-1</title>" in render(standing)


def test_it_says_when_no_worker_is_left() -> None:
    """Each worker's sentence, and what it means together."""
    said = wrong(replace(LIVELY, workers=[worker(1, state=STOPPED), worker(2, state="resting")]).shown())
    assert said[0] == "Worker 1 is stopped."
    assert said[-1] == "No worker runs: what comes is durable in the queue, but nothing gets into the store."


@pytest.mark.parametrize(("change", "sentence"), [
    ({"lost": 4096}, "4,096 bytes of the queue were spoiled by a crash or a bad disk; what of it was confirmed does "
     "not come again by itself."),
    ({"dead_records": 1, "dead_file": "/d"}, "1 packet that could never be stored: see `keeper letters`, or /d."),
    ({"workers": [worker(1, returned=2)]},
     "2 ids have come back with other content, stored as packets of their own: a sender gives ids twice."),
    ({"turned_away": 61}, "61 connections were closed at once, as too many were open."),
    ({"counts_trouble": "locked"}, "What is in the store cannot be counted now: locked."),
    ({"workers": []},
     "No workers are started here, so another has to bring what is in the queue into the store."),
])  # fmt: skip
def test_what_is_somebody_elses_fault_is_told_and_is_no_failure(change: dict[str, Any], sentence: str) -> None:
    """The page stays green with a note."""
    standing = replace(LIVELY, **change).shown()
    assert (wrong(standing), notable(standing)) == ([], [sentence])
    assert "<title>ok: " in render(standing)


@pytest.mark.parametrize("standing", ALL, ids=["empty", "lively", "trouble", "nasty"])
def test_the_page_is_nothing_but_words_and_pictures(standing: Standing) -> None:
    """No script, nothing from elsewhere, and what others wrote is text wherever it stands."""
    text = render(standing.shown())
    assert not re.search(r"<script|<link|<img|<iframe|\bon\w+=|https?:|url\(", text)
    assert HOSTILE not in text
    assert "http-equiv=refresh" in text
    assert text.count("<table") == text.count("</table>")
    assert text.count("<svg") == text.count("</svg>")


def test_a_browser_shows_it(tmp_path: Path) -> None:
    """Chromium finds every part in it, on a wide and on a narrow screen."""
    page = tmp_path / "page.html"
    page.write_text(render(NASTY.shown()), errors="backslashreplace")
    dom = dump_dom(f"file://{page}")
    assert dom.count("<h2>") == 6
    assert dom.count('class="column"') == 2 * COUNTED_HOURS
    assert "<script" not in dom
    assert screenshot(f"file://{page}", tmp_path / "narrow.png", width=500).stat().st_size > 20_000


def test_counts_over_time_are_the_counts() -> None:
    """Each hour is a bar with its numbers as words; more sources than colours are one; hours outside are left out."""
    first = int(NOW) // HOUR * HOUR - (COUNTED_HOURS - 1) * HOUR
    counts = [(first, f"s{n}", "T", 2, 3 * (20 - n)) for n in range(10)] + [(first - HOUR, "s0", "T", 900, 900)]
    text = render(replace(LIVELY, counts=counts).shown())
    assert "packets an hour <span class=dim>20<" in text
    assert "events an hour <span class=dim>465<" in text
    assert "4 more" in text and "s5" in text
    assert "Tue 24 Nov 18:00 UTC: 20" in text


def test_a_chart_is_scaled_by_what_people_can_read() -> None:
    """The top is a round number that is not below the largest, with a round half; the last hour is not over."""
    assert [above(n) for n in (0, 1, 2, 3, 5, 7, 9, 10, 11, 45, 99, 100, 101)] == [
        1, 1, 2, 4, 6, 8, 10, 10, 20, 60, 100, 100, 200,
    ]  # fmt: skip
    text = stacked("t", 0, [Series("<s>", "red", [0, 5, 10])])
    assert "height=50.00" in text and "height=100.00" in text
    assert "10 so far" in text and "5 so far" not in text
    assert "&lt;s&gt; 5" in text


def test_many_types_and_sources_do_not_make_it_long() -> None:
    """Thirty of each stand in the tables, the rest is summed up."""
    sources = {f"s{n}": LIVELY.sources["shop"] for n in range(500)}
    counts = [(int(NOW) // HOUR * HOUR, "s", f"t{n}", 1, 1) for n in range(5000)]
    text = render(replace(LIVELY, sources=sources, seen=dict.fromkeys(sources, NOW), counts=counts).shown())
    assert "4,970 more types" in text and "470 more that were heard" in text
    assert len(text) < 80_000


def test_a_sender_that_is_silent_for_too_long_stands_first_and_red() -> None:
    """However many others were heard later; the others say how long they may be silent."""
    sources = {f"s{n}": LIVELY.sources["shop"] for n in range(90)}
    seen = {**dict.fromkeys(sources, NOW - 5), "s88": NOW - 4000, "s89": 0.0}
    after = {**dict.fromkeys(sources, 0.0), "s1": 7200.0, "s88": 3600.0, "s89": 60.0}
    stands = replace(LIVELY, sources=sources, seen=seen, silent_after=after, known_since=dict.fromkeys(after, NOW - 90))
    text = render(stands.shown())
    red = "<td class=since><span class='pill failing'>"
    assert text.count(red) == 1
    assert f"<tr><td class=name>s89{red}never</span><td class='since dim'>60 s<td" in text
    text = render(replace(stands, known_since=dict.fromkeys(after, NOW - 9000)).shown())
    rows = re.findall(r"<tr><td class=name>(s\d+)<td class=(.*?)<td class=num>", text)
    assert rows[:3] == [
        ("s88", "since><span class='pill failing'>66 min ago</span><td class='since dim'>60 min"),
        ("s89", "since><span class='pill failing'>never</span><td class='since dim'>60 s"),
        ("s0", "since>5 s ago<td class='since dim'>"),
    ]
    assert rows[3] == ("s1", "since>5 s ago<td class='since dim'>2 h")


def test_every_answer_has_its_meaning() -> None:
    """All codes the receiver ever answers are explained."""
    assert MEANING.keys() == set(CODES)
    text = render(replace(LIVELY, answers=dict.fromkeys(CODES, 7)).shown())
    assert all(f"<td>{code}<td" in text for code in CODES)


def test_words_for_numbers() -> None:
    """Times and sizes as exact as one needs them."""
    assert [span(n) for n in (0.5, 1, 119, 120, 7199, 7200, 7260, 172_800, 180_000)] == [
        "less than 1 s", "1 s", "119 s", "2 min", "119 min", "2 h", "2 h 1 min", "2 d", "2 d 2 h",
    ]  # fmt: skip
    assert [size(n) for n in (0, 1023, 1024, 200 << 10, 5 << 40)] == [
        "0 B",
        "1,023 B",
        "1.0 KiB",
        "200 KiB",
        "5,120 GiB",
    ]
    assert within([0, 0, 0], (0.5, 1.0)) == ""
    assert within([99, 1, 0], (0.5, 1.0)) == "500 ms"
    assert within([1, 1, 0], (0.5, 1.0)) == "1 s"
    assert within([1, 1, 5], (0.5, 1.0)) == "more than 1 s"


# -- served --------------------------------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[str]:
    registry = CollectorRegistry()
    registry.register(Exposed(lambda: NASTY))
    server = Server("127.0.0.1:0", ReceiverPages(registry, lambda: NASTY, lambda: "it hangs", lambda: None))
    failed: list[str] = []
    Thread("server", lambda _wait: server.run(), failed.append).start()
    yield f"http://{server.address}"
    server.close()
    assert failed == []


def test_page_status_metrics_and_health_are_served(served: str) -> None:
    """Each path answers with its type, whatever text the standing holds."""
    page = requests.get(served, timeout=5)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "b\\udcff" in page.text
    status = requests.get(served + "/api/v1/status", timeout=5).json()
    assert (status["name"], status["answers"]["200"], status["workers"][0]["number"]) == (HOSTILE, 1_300_912, 1)
    assert render(status) == render(NASTY.shown()), "the page can be made from the JSON, too"
    assert 'keeper_receiver_answers_total{code="200"} 1.300912e+06' in requests.get(served + "/metrics", timeout=5).text
    assert requests.get(served + "/-/healthy", timeout=5).text == "it hangs\n"
    assert requests.get(served + "/-/ready", timeout=5).status_code == 200
    assert requests.get(served + "/admin", timeout=5).status_code == 404
