"""Pacing as tables, and against a model of the server in virtual time."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from random import SystemRandom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.resend import simulate
from keeper.delivery.outcome import Result
from keeper.delivery.pacing import Adaptive, Answered, Classic, Pacing


def after(pacing: Pacing, took: float, events: int, result: Result = Result.ACCEPTED, **more: float) -> Pacing:
    """Start one packet at 0 and answer it."""
    code = 599 if result is Result.UNKNOWN else 200
    answer = Answered(0.0, events, result, code, more.get("retry_after"))
    return pacing.started(0.0).answered(answer, took)


# -- classic -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("took", "events", "rest"),
    [
        (0.03, 10, 0.5),  # 0.05 s an event
        (1.0, 10, 0.5),
        (1.5, 10, 0.5 + 15.0),  # above a second: ten times as long
        (20.0, 10, 0.5 + 200.0),
        (20.5, 10, 0.5 + 102.5),  # above twenty: five times as long
        (0.03, 0, 0.0),
    ],
)
def test_a_classic_chain_rests_as_documented(took: float, events: int, rest: float) -> None:
    """After each answer events * 0.05 s, and more after a slow one."""
    pacing = after(Classic(most=1), took, events)
    assert pacing.opens(took) == pytest.approx(took + rest)


def test_classic_rests_less_at_night() -> None:
    """The pause for each event is configured."""
    assert after(Classic(most=1, pause=0.025), 0.1, 10).opens(0.1) == pytest.approx(0.35)


def test_classic_freezes_after_a_599() -> None:
    """30 s in which no chain sends, and no new one begins."""
    pacing = Classic().started(0.0).started(0.0).answered(Answered(0.0, 1, Result.UNKNOWN, 599), 0.5)
    assert pacing.opens(0.5) == 30.5


def test_classic_starts_a_new_chain_while_at_most_two_are_in_flight() -> None:
    """Three start at once; the fourth chain only when one of them has been answered."""
    pacing: Pacing = Classic()
    for _ in range(3):
        assert pacing.opens(0.0) <= 0.0
        pacing = pacing.started(0.0)
    assert pacing.opens(0.0) == inf
    pacing = pacing.answered(Answered(0.0, 100, Result.ACCEPTED), 0.1)
    assert pacing.opens(0.1) <= 0.1, "the fourth chain, while the first rests for 5 s"
    pacing = pacing.started(0.1)
    assert pacing.opens(0.1) == pytest.approx(5.1)
    pacing = pacing.started(5.1)
    assert pacing.opens(5.1) == inf, "four in flight"


# -- adaptive ------------------------------------------------------------------------------------------------------


def steady(pacing: Pacing, answers: int, took: float, now: float = 0.0) -> tuple[Pacing, float]:
    """So many answers of one kind, with as many in flight as are allowed."""
    begun: list[float] = []
    for _ in range(answers):
        while pacing.opens(now) <= now:
            pacing = pacing.started(now)
            begun.append(now)
        now += took
        pacing = pacing.answered(Answered(begun.pop(0), 10, Result.ACCEPTED), now)
    return pacing, now


def limit(pacing: Pacing) -> float:
    assert isinstance(pacing, Adaptive)
    return pacing.limit


def test_adaptive_begins_with_one_and_grows_by_one_a_round() -> None:
    """While answers come as soon as ever, one more is let in flight, up to the most."""
    pacing: Pacing = Adaptive(most=4)
    now = 0.0
    begun: list[float] = []
    sizes: list[int] = []
    for answer in range(40):
        while pacing.opens(now) <= now:
            pacing = pacing.started(now)
            begun.append(now)
        sizes.append(len(begun))
        now = begun[0] + 0.05 + answer * 1e-6
        pacing = pacing.answered(Answered(begun.pop(0), 10, Result.ACCEPTED), now)
    assert sizes[0] == 1
    assert all(0 <= later - sooner <= 1 for sooner, later in pairwise(sizes))
    assert sizes[-1] == 4


def test_adaptive_shrinks_when_answers_take_longer() -> None:
    """Packets that wait in the server's queue are fewer next time: the live agent's wait behind them."""
    pacing = Adaptive(most=8, limit=6.0, best=0.001, usual=0.001, took=0.014)
    shrunk, _ = steady(pacing, 60, 0.2)
    assert limit(shrunk) < 6


@pytest.mark.parametrize(
    ("result", "retry_after", "opens", "left"),
    [
        (Result.UNKNOWN, None, 30.0, 1.0),  # a timeout: freeze, and begin again with one
        (Result.FAILED, None, 1.0, 4.0),  # an error: half
        (Result.BUSY, None, 1.0, 4.0),
        (Result.BUSY, 17.0, 17.0, 4.0),  # what the server asks for
        (Result.BUSY, 86_400.0, 600.0, 4.0),  # but not for ever
        (Result.ASTRAY, None, 1.0, 4.0),
        (Result.REFUSED, None, 0.0, 8.0),  # speaks of the packet, not of the server
    ],
)
def test_adaptive_after_trouble(result: Result, retry_after: float | None, opens: float, left: float) -> None:
    """How long nothing starts on any chain, and how many may be in flight then."""
    pacing = Adaptive(limit=8.0, best=0.01, usual=0.01, took=0.1).started(0.0)
    code = 599 if result is Result.UNKNOWN else 500
    pacing = pacing.answered(Answered(0.0, 10, result, code, retry_after), 1.0)
    assert pacing.opens(1.0) == pytest.approx(1.0 + opens) or (opens == 0.0 and pacing.opens(1.0) <= 1.0)
    assert pacing.limit == left


def test_adaptive_counts_one_moment_of_trouble_once() -> None:
    """Eight that were in flight together fail together: half, not a 256th; the longest Retry-After holds."""
    pacing = Adaptive(limit=8.0, best=0.01, usual=0.01, took=0.1)
    for _ in range(8):
        pacing = pacing.started(0.0)
    for number in range(8):
        pacing = pacing.answered(Answered(0.0, 10, Result.BUSY, 429, float(number)), 1.0)
    assert (pacing.limit, pacing.opens(1.0)) == (4.0, 8.0)


def test_adaptive_waits_longer_after_each_failure_in_a_row() -> None:
    """1, 2, 4 ... 30 seconds, with one at a time, and at once again as soon as one is accepted."""
    pacing, now, waited = Adaptive(), 0.0, []
    for _ in range(7):
        pacing = pacing.started(now).answered(Answered(now, 1, Result.FAILED, 599), now)
        waited.append(pacing.not_before - now)
        now = pacing.opens(now)
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert pacing.gap > 0
    pacing = pacing.started(now).answered(Answered(now, 1, Result.ACCEPTED), now + 0.01)
    assert pacing.failures == 0
    healed, _ = pacing, now
    for _ in range(200):
        now = max(now + 0.01, healed.opens(now))
        healed = (
            healed.started(now).answered(Answered(now, 1, Result.ACCEPTED), now + 0.01)
            if healed.opens(now) <= now
            else healed
        )
    assert healed.gap == 0.0, "the gap between two starts shrinks until it is gone"


def test_adaptive_only_probes_while_an_answer_is_overdue() -> None:
    """Nothing comes for far longer than usual: two tries a minute, whatever the number allowed."""
    pacing = Adaptive(limit=8.0, best=0.01, usual=0.01, took=0.1).started(0.0)
    assert pacing.opens(1.0) <= 1.0
    assert pacing.opens(2.5) == 30.0
    pacing = pacing.started(30.0)
    assert pacing.opens(31.0) == 60.0


@given(
    st.lists(st.tuples(st.floats(0, 400), st.integers(0, 5000), st.sampled_from(Result)), max_size=60), st.booleans()
)
def test_no_history_locks_a_pacing_for_ever(history: list[tuple[float, int, Result]], classic: bool) -> None:
    """Whatever was answered: with nothing in flight it opens within the longest pause, and the bounds hold."""
    pacing: Pacing = Classic() if classic else Adaptive()
    now = 0.0
    for took, events, result in history:
        now = max(now, pacing.opens(now))
        begun = now
        pacing = pacing.started(now)
        now += took
        code = 599 if result is Result.UNKNOWN else 200
        pacing = pacing.answered(Answered(begun, events, result, code, took if result is Result.BUSY else None), now)
        assert pacing.opens(now) - now <= 600 + 5000 * 0.05 + 400 * 10
        if isinstance(pacing, Adaptive):
            assert 1.0 <= pacing.limit <= 8.0
            assert pacing.opens(now) - now <= 600


# -- against the server ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_adaptive_is_eight_times_classic_and_leaves_the_live_agent_its_pace(workers: int) -> None:
    """800 events/s, of which the live agent takes 160: what is left goes to the resend, live p95 at most doubles."""
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    quiet = simulate(None, seed, workers=workers)
    classic = simulate(Classic(), seed, workers=workers)
    adaptive = simulate(Adaptive(), seed, workers=workers)
    print(
        f"{adaptive.throughput:.0f} against {classic.throughput:.0f}; {adaptive.live_p95:.3f}, {quiet.live_p95:.3f} s"
    )
    # On one worker 8 is nearly all there is: classic makes 76 of at most 80, and 640 are left over.
    assert adaptive.throughput >= 8 * classic.throughput
    assert adaptive.live_p95 <= 2 * quiet.live_p95


@pytest.mark.parametrize("begins", [10.0, 60.3, 123.45])
def test_a_server_that_stalls_gets_two_probes_a_minute(begins: float) -> None:
    """A stall of 60 s: what was in flight waits, and at most two more packets are tried."""
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    run = simulate(Adaptive(), seed, stall=(begins, begins + 60))
    inside = [start for start in run.starts if begins + 1 < start < begins + 60]
    assert len(inside) <= 2
    assert sum(start > begins + 60 for start in run.starts) > 100, "and goes on afterwards"
