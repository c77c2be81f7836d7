"""Who is known, since when, and how long it may be silent: over reloads, too."""

from __future__ import annotations

from keeper.receiver.settings import SourceSettings
from keeper.receiver.traffic import Counted, Tally


def source(name: str, silent_after: float = 0.0) -> SourceSettings:
    return SourceSettings(name=name, silent_after=silent_after)


def test_what_a_source_may_is_taken_anew_and_what_it_did_stays() -> None:
    """Its silence counts from when it became known; a bound that changes does not begin it anew."""
    tally = Tally([source("a"), source("b", 60.0)], 100.0)
    tally.took("json", "a", 150.0, 1, 2, 3, 0)
    assert (tally.silent_after(), tally.known_since()) == ({"a": 0.0, "b": 60.0}, {"a": 100.0, "b": 100.0})
    tally.know([source("a", 5.0), source("b", 90.0), source("c", 7.0)], 200.0)
    assert tally.silent_after() == {"a": 5.0, "b": 90.0, "c": 7.0}
    assert tally.known_since() == {"a": 100.0, "b": 100.0, "c": 200.0}
    assert tally.seen() == {"a": 150.0, "b": 0.0, "c": 0.0}


def test_who_may_send_no_longer_may_be_silent() -> None:
    """And begins anew when it may again; what it sent is still counted."""
    tally = Tally([source("a", 5.0), source("b", 5.0)], 100.0)
    tally.took("json", "a", 150.0, 1, 2, 3, 0)
    tally.know([source("b", 5.0)], 200.0)
    assert tally.silent_after() == {"a": 0.0, "b": 5.0}
    tally.know([source("a", 5.0)], 300.0)
    assert (tally.silent_after(), tally.known_since()) == ({"a": 5.0, "b": 0.0}, {"a": 300.0, "b": 100.0})
    assert (tally.seen()["a"], tally.by_source()["a"].packets) == (150.0, 1)


def test_who_is_walking_through_the_sources_may_go_on() -> None:
    """It is another thread that a reload does not wait for."""
    tally = Tally([source("a")], 100.0)
    walk = iter(tally.sources.items())
    tally.know([source("a"), source("b")], 200.0)
    assert [name for name, _ in walk] == ["a"]


def test_a_reload_is_never_seen_by_halves() -> None:
    """Whoever looks in its middle sees no sender free of its bound that has one, nor one that is counted from long
    ago with a bound it has only now."""
    steps: list[tuple[str, float]] = []

    class Watched(Counted):
        def __setattr__(self, name: str, value: float) -> None:
            super().__setattr__(name, value)
            steps.append((name, value))

    tally = Tally([source("a", 60.0), source("b", 5.0)], 100.0)
    tally.know([source("a", 60.0)], 200.0)
    tally.sources = {"a": Watched(since=100.0, silent_after=60.0), "b": Watched(since=100.0)}
    steps.clear()
    tally.know([source("a", 60.0), source("b", 5.0)], 300.0)
    assert steps == [("silent_after", 60.0), ("since", 300.0), ("silent_after", 5.0)]
