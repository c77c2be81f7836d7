"""Thousands of random schedules of faults against the promises; and the code broken on purpose, which must be found."""

from __future__ import annotations

from collections.abc import Iterable
from random import SystemRandom

import pytest

from tests.simulation.mutants import CONTROL, MUTANTS
from tests.simulation.world import SETTLES, SETTLES_WITHOUT, Kind, live, told

WITH_LEASE = Kind()
WITHOUT = Kind(lease=False)
FRESH = SystemRandom().randrange(1 << 32)  # other schedules in each run; printed with a failure
FOUND_WITHIN = 2_000


def keep_all(seeds: Iterable[int], kind: Kind) -> list[float]:
    """Live these schedules; the first broken promise is told as a story."""
    settled = []
    for seed in seeds:
        lived = live(seed, kind)
        if lived.violation:
            pytest.fail(f"{kind}\n{told(seed, kind)}", pytrace=False)
        settled.append(lived.settled)
    return settled


@pytest.mark.parametrize("block", range(4))
def test_with_a_lease_never_two(block: int) -> None:
    """Whatever fails: never two un-paused nodes, nothing on what is unknown, everything journaled and once; and one
    produces when the faults stop."""
    settled = keep_all(range(block * 500, block * 500 + 500), WITH_LEASE)
    assert max(settled) <= SETTLES


def test_without_a_lease_the_second_signer_stops() -> None:
    """Two may sign, but who hears the other stops; and exactly one produces when the faults stop."""
    settled = keep_all(range(1000), WITHOUT)
    assert max(settled) <= SETTLES_WITHOUT


@pytest.mark.parametrize("kind", [WITH_LEASE, WITHOUT], ids=["lease", "none"])
def test_schedules_nobody_has_seen_before(kind: Kind) -> None:
    """The seeds differ from run to run."""
    print(f"seeds from {FRESH}")
    keep_all(range(FRESH, FRESH + 250), kind)


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_broken_is_found(name: str) -> None:
    """A simulation that finds nothing wrong must be able to."""
    assert any(live(seed, MUTANTS[name]).violation for seed in range(FOUND_WITHIN)), f"not found: {name}"


def test_what_the_mutants_have_of_their_own_is_no_mistake() -> None:
    """They are found for what is broken in them, not for their margin or their sieges."""
    keep_all(range(500), CONTROL)
    keep_all(range(500), Kind(besieged=1.0))


def test_one_seed_tells_one_story() -> None:
    """A failure can be looked at again."""
    assert told(7, WITH_LEASE) == told(7, WITH_LEASE)
    assert told(7, WITH_LEASE).startswith("seed 7: all promises kept\n")
    assert "A" in told(7, WITH_LEASE)


@pytest.mark.soak
@pytest.mark.parametrize("block", range(40))
def test_a_hundred_thousand(block: int) -> None:
    """The same for longer: 80,000 with a lease, 20,000 without."""
    keep_all(range(10_000 + block * 2000, 12_000 + block * 2000), WITH_LEASE)
    keep_all(range(10_000 + block * 500, 10_500 + block * 500), WITHOUT)
