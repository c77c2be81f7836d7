"""When keeper sends again by itself, and when it stops: each sentence, and how long it rests. UNKNOWN never acts."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from keeper.delivery.recovery import LONGEST_REST, Around, Recovery, RecoveryTerms

TERMS = RecoveryTerms(packets=20, seconds=30.0, budget=100, slow=2.0, rest=60.0)
WELL = Around()
NOW = 1_000_000.0
SLOW = "the server slowed down: live answers take {} s, usual are 0.10 s"


def accepted(recovery: Recovery, packets: int = 20, since: float = NOW - 30.0, took: float | None = 0.1) -> None:
    for _ in range(packets):
        recovery.live_accepted(since, took)


def recovered(terms: RecoveryTerms = TERMS) -> Recovery:
    recovery = Recovery(terms)
    accepted(recovery)
    return recovery


Step = Callable[[Recovery], object]


@pytest.mark.parametrize(
    ("terms", "steps", "around", "why"),
    [
        (TERMS, [accepted], WELL, None),
        (
            TERMS._replace(automatic=False), [accepted], WELL,
            "automatic = no: `keeper undelivered` writes them out for `keeper resend`",
        ),
        (TERMS, [accepted], Around(blind="the log is away"), "the log is away"),
        (TERMS, [accepted], Around(unstored="the disk is full"), "the disk is full"),
        (TERMS, [accepted], Around(unsendable="there is no url"), "there is no url"),
        (TERMS, [accepted], Around("blind", "unstored", "unsendable"), "unsendable"),
        (TERMS, [], WELL, "the server took 0 of 20 live packets in a row"),
        (TERMS, [lambda r: accepted(r, 19)], WELL, "the server took 19 of 20 live packets in a row"),
        (
            TERMS, [accepted, lambda r: r.live_failed("HTTP 599: Timeout"), lambda r: accepted(r, 3)], WELL,
            "the server took 3 of 20 live packets in a row since: HTTP 599: Timeout",
        ),
        (
            TERMS, [accepted, lambda r: r.live_unanswered(NOW - 30)], WELL,
            "the server took 0 of 20 live packets in a row since: a packet had no answer",
        ),
        (TERMS, [accepted, lambda r: r.live_unanswered(NOW - 30.1)], WELL, None),
        (TERMS, [lambda r: accepted(r, 10, NOW - 31), lambda r: accepted(r, 10, NOW - 1)], WELL, None),
        (TERMS, [lambda r: accepted(r, 500, NOW - 29)], WELL, "the server takes packets for 29 of 30 s"),
        (
            TERMS, [accepted, lambda r: r.ended(NOW, "busy"), accepted], WELL,
            "it rests for 60 s more: busy",
        ),
        (TERMS, [accepted, lambda r: r.ended(NOW, "busy")], WELL, "the server took 0 of 20 live packets in a row"),
        (TERMS, [accepted, lambda r: r.ended(NOW, "")], WELL, None),
        (
            TERMS, [accepted, lambda r: r.put_off(NOW, "the ledger is in use")], WELL,
            "it rests for 60 s more: the ledger is in use",
        ),
        (TERMS, [accepted, *(lambda r: r.put_off(NOW - 60, "in use") for _ in range(9))], WELL, None),
        (TERMS, [accepted, lambda r: r.ended(NOW - 60, "busy"), accepted], WELL, None),
        (
            TERMS, [accepted, lambda r: r.sent_again(NOW - 5, 100)], WELL,
            "100 packets were sent again within an hour: the budget is spent",
        ),
        (TERMS, [accepted, lambda r: r.sent_again(NOW - 5, 99)], WELL, None),
    ],
)  # fmt: skip
def test_why_nothing_is_sent_again(terms: RecoveryTerms, steps: list[Step], around: Around, why: str | None) -> None:
    """The server must have taken so many packets in a row, for so long, lately; and keeper must see and remember."""
    recovery = Recovery(terms)
    for step in steps:
        step(recovery)
    assert recovery.why_not(around, NOW) == why


@pytest.mark.parametrize(
    ("steps", "around", "why"),
    [
        ([], WELL, None),
        ([], Around(blind="the log is away"), "the log is away"),
        ([], Around(unstored="the disk is full"), "the disk is full"),
        ([], Around("blind", "unstored"), "blind"),
        ([lambda r: r.live_failed("the answer 503")], WELL, "a live packet was not accepted: the answer 503"),
        ([lambda r: r.live_unanswered(NOW)], WELL, "a live packet was not accepted: a packet had no answer"),
        ([lambda r: r.live_unanswered(NOW - 99)], WELL, None),
        ([lambda r: accepted(r, 5, NOW, 0.29)], WELL, None),
        ([lambda r: accepted(r, 3, NOW, 9.0)], WELL, SLOW.format("9.00")),
        ([lambda r: accepted(r, 2, NOW, 9.0)], WELL, None),
        ([lambda r: accepted(r, 5, NOW, None)], WELL, None),
        ([lambda r: accepted(r, 5, NOW, 0.31)], WELL, SLOW.format("0.31")),
    ],
)  # fmt: skip
def test_why_a_run_stops(steps: list[Step], around: Around, why: str | None) -> None:
    """At the first live packet that is not accepted, when answers take much longer than before the run, and when
    keeper no longer sees or remembers."""
    recovery = recovered()
    recovery.began()
    for step in steps:
        step(recovery)
    assert recovery.why_stop(around) == why


def test_without_a_usual_time_nothing_is_slow() -> None:
    """The log need not tell how long an answer took; and a few answers make no time of now."""
    recovery = Recovery(TERMS)
    accepted(recovery, took=None)
    recovery.began()
    accepted(recovery, 9, NOW, 50.0)
    assert recovery.why_stop(WELL) is None
    few = Recovery(TERMS)
    accepted(few, 1)
    few.began()
    accepted(few, 3, NOW, 50.0)
    assert few.why_stop(WELL) is None


def test_a_failure_before_the_run_does_not_stop_it() -> None:
    """It stood before the outage was over."""
    recovery = Recovery(TERMS)
    recovery.live_failed("the answer 503")
    accepted(recovery)
    recovery.began()
    assert recovery.why_stop(WELL) is None


def test_rests_double_up_to_half_an_hour_and_begin_anew_when_it_got_through() -> None:
    """60 s, 120 s, 240 s, ...; and each time the live traffic has to show anew that the server takes packets."""
    recovery = Recovery(TERMS)
    now, rests = NOW, []
    for _ in range(14):
        accepted(recovery, since=now - 30)
        assert recovery.why_not(WELL, now) is None
        recovery.ended(now, "busy")
        accepted(recovery, since=now - 30)
        rests.append(recovery.resting_until - now)
        assert "it rests" in (recovery.why_not(WELL, recovery.resting_until - 0.1) or "")
        now = recovery.resting_until
    assert rests == [60, 120, 240, 480, 960] + [LONGEST_REST] * 9
    recovery.ended(now, "")
    assert recovery.why_not(WELL, now) is None
    recovery.ended(now, "busy")
    assert recovery.resting_until - now == 60


def test_never_more_than_the_budget_in_any_hour(seed: int) -> None:
    """Whenever they are sent; and what an hour ago, and a minute, was sent does not count any more."""
    chance = Random(seed)
    for _ in range(50):
        recovery = Recovery(TERMS)
        now, sent = NOW + chance.uniform(0, 60), []
        for _ in range(300):
            now += chance.choice([0.0, 1.0, 59.0, 600.0, 3590.0]) * chance.random()
            packets = min(recovery.left(now), chance.randrange(0, 80))
            if packets:
                recovery.sent_again(now, packets)
                sent.append((now, packets))
            assert sum(n for at, n in sent if at > now - 3600) <= TERMS.budget
            assert recovery.left(now) >= TERMS.budget - sum(n for at, n in sent if at > now - 3660.0)
            assert len(recovery._sent) <= 62


@pytest.mark.parametrize("around", [Around(blind="b"), Around(unstored="u"), Around(blind="b", unstored="u")])
def test_unknown_never_acts(seed: int, around: Around) -> None:
    """Whatever the live traffic was: blind, or unable to remember, nothing begins and what runs is stopped."""
    chance = Random(seed)
    recovery, now = Recovery(TERMS._replace(packets=1, seconds=0.0)), NOW
    for _ in range(500):
        now += chance.random() * 30
        step = chance.randrange(5)
        if step == 0:
            recovery.live_failed("x")
        elif step == 1:
            recovery.ended(now, chance.choice(["", "busy"]))
        elif step == 2:
            recovery.began()
        else:
            recovery.live_accepted(now, chance.choice([None, chance.random()]))
        assert recovery.why_not(around, now) is not None
        assert recovery.why_stop(around) is not None
