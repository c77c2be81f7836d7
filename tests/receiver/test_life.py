"""When a worker that died comes back."""

from __future__ import annotations

from keeper.receiver.life import LONGEST, Life


def test_it_comes_back_soon_and_then_later() -> None:
    """Doubling, until it is called a crash loop."""
    life, now = Life(), 1000.0
    rests = []
    for _ in range(7):
        rests.append(life.died(now, now + 0.1, 0.99))
        now += 0.1 + rests[-1]
    assert rests[0] <= 1.0 < rests[1] < rests[2] < rests[3]
    assert rests[4:] == [LONGEST] * 3
    assert life.looping(now)
    assert life.deaths == 7


def test_one_that_lived_long_begins_anew() -> None:
    """A death a day is no crash loop, however many days it goes on."""
    life, now = Life(), 1000.0
    for _ in range(20):
        assert life.died(now, now + 86400, 0.5) <= 1.0
        now += 86400
        assert not life.looping(now)
