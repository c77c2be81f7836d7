"""queue_behind, receiver_refusing, queue_spoiled: what waits at the receiver, what it turned away, what was spoiled."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.rules.queue_behind import QueueBehind
from keeper.rules.queue_spoiled import QueueSpoiled
from keeper.rules.receiver_refusing import ReceiverRefusing
from tests.rules.build import T0, said
from tests.rules.receiver import answer, receiver, told

MIB = 1 << 20
EACH = ReceiverRefusing(requests=1)
LATE: dict[str, Any] = {"records": 1204, "size": 3 * MIB, "oldest": -125}
WAITS = "1,204 records (3.0 MiB) wait, the oldest for 2 min 5 s"


@pytest.mark.parametrize(
    ("stands", "said_of_it"),
    [
        ({}, ("ok", "nothing waits")),
        ({"records": 1, "size": 700, "oldest": -3}, ("ok", "1 record (700 bytes) waits, the oldest for 3 s")),
        (
            {"records": 9, "size": 20 << 10, "oldest": -119},
            ("ok", "9 records (20 KiB) wait, the oldest for 1 min 59 s"),
        ),
        (LATE, ("failing", f"{WAITS}: all 4 workers run, and not fast enough")),
        ({**LATE, "trouble": "no beanstalkd"}, ("failing", f"{WAITS}: no beanstalkd")),
        ({**LATE, "workers": 1, "running": 1}, ("failing", f"{WAITS}: its worker runs, and not fast enough")),
        ({**LATE, "workers": 0, "running": 0}, ("failing", f"{WAITS}: this receiver has no workers of its own")),
        (
            {**LATE, "hindered": 2, "hindrance": "worker 1: database is locked"},
            ("failing", f"{WAITS}: 2 of 4 workers cannot store (worker 1: database is locked)"),
        ),
        (
            {**LATE, "running": 3, "death": "worker 2: resting"},
            ("failing", f"{WAITS}: only 3 of 4 workers run (worker 2: resting)"),
        ),
        (
            {**LATE, "running": 0, "death": "worker 1: crash loop"},
            ("failing", f"{WAITS}: no worker runs (worker 1: crash loop)"),
        ),
        (
            {"records": 500_000, "size": 512 * MIB, "oldest": -10},
            (
                "failing",
                "the queue is full to 50%, 500,000 records (512 MiB) wait, the oldest for 10 s: "
                "all 4 workers run, and not fast enough",
            ),
        ),
        ({"records": 5, "size": 511 * MIB, "oldest": -1}, ("ok", "5 records (511 MiB) wait, the oldest for 1 s")),
        # A queue that was asked when nothing was known of its oldest.
        ({"records": 5, "size": 99}, ("ok", "5 records (99 bytes) wait")),
    ],
)
def test_what_waits_may_be_two_minutes_old_or_half_the_queue(
    stands: dict[str, Any], said_of_it: tuple[str, str]
) -> None:
    """With what holds it up."""
    assert said(receiver(answer(0, **stands)).verdict(QueueBehind(), 0.5)) == said_of_it


def test_the_number_of_records_counts_where_it_is_wanted() -> None:
    """Any number is well otherwise."""
    scene = receiver(answer(0, records=1000, size=MIB, oldest=-1))
    assert said(scene.verdict(QueueBehind(), 1))[0] == "ok"
    assert said(scene.verdict(QueueBehind(records=1001), 1))[0] == "ok"
    verdict = scene.verdict(QueueBehind(records=1000), 1)
    assert (said(verdict)[0], verdict.number) == ("failing", 1000)


def test_what_waits_is_as_old_as_the_answer_says() -> None:
    """It may be stored by now: the next answer tells, and until then the verdict holds."""
    verdict = receiver(answer(0, records=1, size=9, oldest=-118)).verdict(QueueBehind(), 4)
    assert (said(verdict)[0], verdict.number, verdict.until) == ("ok", 118, 5)


def test_dead_workers_a_dead_store_and_refusals_explain_what_waits() -> None:
    """One cause raises one alert."""
    assert set(QueueBehind.after) == {"worker_failing", "store_failing", "receiver_refusing"}


def test_a_refused_request_counts_for_a_minute() -> None:
    """With what refused it: a queue that is nearly full, or something its log must tell."""
    full = {"size": 1020 * MIB, "records": 9}
    scene = receiver(answer(0, refused=7, **full), answer(1, refused=7, **full), answer(2, refused=10, **full))
    verdict = scene.verdict(EACH, 2)
    assert said(verdict) == ("failing", "3 requests refused within 1 min: its queue holds 1,020 MiB of 1.0 GiB")
    assert (verdict.number, verdict.happened) == (3, T0 + 2)
    told(scene, answer(62, refused=10))
    assert said(scene.verdict(EACH, 62))[0] == "failing"
    assert said(scene.verdict(EACH, 62.1)) == ("ok", "every request finds room")
    told(scene, answer(63, refused=11))
    assert said(scene.verdict(EACH, 63)) == (
        "failing",
        "1 request refused within 1 min: its queue holds 0 bytes of 1.0 GiB, so it was another bound: "
        "its log says which",
    )
    assert said(scene.verdict(ReceiverRefusing(), 63)) == ("ok", "1 request refused")


def test_a_queue_that_does_not_work_refuses_even_if_nobody_sends() -> None:
    """After ten seconds without a break, counted by answers."""
    gone = {"trouble": "beanstalkd at 127.0.0.1:11300: connection refused"}
    scene = receiver(answer(0), *(answer(time, **gone) for time in range(1, 11)))
    assert said(scene.verdict(EACH, 10.5)) == (
        "ok",
        "every request finds room; beanstalkd at 127.0.0.1:11300: connection refused",
    )
    verdict = told(scene, answer(11, **gone)).verdict(EACH, 11)
    assert said(verdict) == (
        "failing",
        "nothing could be taken in for 10 s: beanstalkd at 127.0.0.1:11300: connection refused",
    )
    assert (verdict.number, verdict.happened) == (10, None)
    told(scene, answer(12, refused=4, **gone))
    assert said(scene.verdict(EACH, 12)) == (
        "failing",
        "4 requests refused within 1 min: beanstalkd at 127.0.0.1:11300: connection refused",
    )
    assert said(told(scene, answer(80, refused=4)).verdict(EACH, 80)) == (
        "ok",
        "every request finds room",
    )


def test_a_loss_counts_for_an_hour() -> None:
    """It is found when the receiver starts, so that all its first answer counts is news if it runs since then."""
    scene = receiver(answer(0, lost=4096, up=30.0), answer(1, lost=4096, up=31.0))
    verdict = scene.verdict(QueueSpoiled(), 1)
    assert said(verdict) == (
        "failing",
        "4.0 KiB of the queue were spoiled by a crash or a bad disk, found at 20:35:30; "
        "what of it was confirmed does not come again by itself",
    )
    assert (verdict.number, verdict.happened) == (4096, T0 - 30)
    assert said(told(scene, answer(3571, lost=4096)).verdict(QueueSpoiled(), 3571)) == (
        "ok",
        "nothing in the queue was spoiled",
    )


def test_what_was_counted_long_ago_is_no_news() -> None:
    """The receiver runs for days, and keeper has only just begun to ask."""
    scene = receiver(answer(0, lost=2, deaths=9, refused=4, up=7200.0))
    assert said(scene.verdict(QueueSpoiled(), 1))[0] == "ok"
    assert said(scene.verdict(EACH, 1))[0] == "ok"
