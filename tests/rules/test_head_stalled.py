"""head_stalled: the head does not get higher."""

from __future__ import annotations

import pytest

from keeper.core.event import LinesSeen, ReferenceAnswer
from keeper.rules.head_stalled import HeadStalled
from tests.rules.build import T0, Scene, info, received, reference, said

RULE = HeadStalled()


def seen_in_log(until: float) -> Scene:
    """Head 1,823 came at 0.1; since then the log has no block, and is seen until `until`."""
    return Scene().sees("log", -60).take(received(0, 1823, "a")).sees("log", until)


def test_a_moving_head_is_ok_until_it_could_have_stood_for_the_window() -> None:
    """Ten seconds after it rose."""
    verdict = seen_in_log(5).verdict(RULE, 5)
    assert (said(verdict), verdict.until) == (("ok", "the head moves"), 10)
    verdict = seen_in_log(9).verdict(RULE, 9)
    assert verdict.until == pytest.approx(10.1)


def test_it_fails_at_the_window_and_counts_on() -> None:
    """Just before: OK. From then on the number grows."""
    assert said(seen_in_log(10).verdict(RULE, 10)) == ("ok", "the head moves")
    verdict = seen_in_log(10.2).verdict(RULE, 10.2)
    assert said(verdict) == ("failing", "head 1,823 has not moved for 10 s; the log is silent too")
    assert verdict.until == pytest.approx(11.2)
    assert said(seen_in_log(72.2).verdict(RULE, 72.2)) == (
        "failing",
        "head 1,823 has not moved for 1 min 12 s; the log is silent too",
    )


def test_a_log_that_goes_on_without_blocks_is_not_called_silent() -> None:
    """Only the blocks are missing."""
    scene = seen_in_log(10).take(LinesSeen(T0 + 10, 3, 3)).sees("log", 12.2)
    assert said(scene.verdict(RULE, 12.2)) == ("failing", "head 1,823 has not moved for 12 s")


@pytest.mark.parametrize(
    ("heads", "sentence"),
    [
        ((1848, 1848, 1823), "; two of three reference nodes are at 1,848: this node, not the network"),
        ((1848, 1848, 1849), "; all three reference nodes are at 1,848: this node, not the network"),
        ((1848,), "; the reference node is at 1,848: this node, not the network"),
        ((1848, 1850), "; both reference nodes are at 1,848: this node, not the network"),
        ((1848, 1823, 1820), "; one of three reference nodes is at 1,848: perhaps this node"),
        ((1823, 1823, 1822), "; no reference node is ahead: the network"),
        ((), "; no reference node answers"),
    ],
)
def test_reference_nodes_tell_this_node_from_the_network(heads: tuple[int, ...], sentence: str) -> None:
    """As far as they answered within fifteen seconds."""
    scene = Scene(sources={"api", "reference"}, references=3).sees("api", 0)
    scene.take(info(0, 1823), [reference(-4, name, 9999) for name in "uvw"])
    scene.take([reference(11, name, head) for name, head in zip("xyz", heads, strict=False)])
    scene.take(info(12, 1823)).sees("api", 12)
    verdict = scene.verdict(RULE, 12)
    assert said(verdict) == ("failing", "head 1,823 has not moved for 12 s" + sentence)
    assert verdict.number == 12


def test_a_reference_node_of_another_chain_says_nothing() -> None:
    """It was configured by mistake."""
    scene = Scene(sources={"api", "reference"}, references=1).sees("api", 0)
    scene.take(info(0, 1823), reference(11, "x", 9999)._replace(chain_id="d" * 64), info(12, 1823))
    assert said(scene.verdict(RULE, 12)) == (
        "failing",
        "head 1,823 has not moved for 12 s; no reference node answers",
    )
    assert isinstance(scene.memory.references["https://x.example"], ReferenceAnswer)


def test_answers_of_the_api_prove_a_standstill_over_the_time_between_them() -> None:
    """Heads only rise: who answers the same head again did not move, even if nobody asked meanwhile."""
    scene = Scene(sources={"api"}).sees("api", 0).take(info(0, 1823))
    assert said(scene.verdict(RULE, 4.9)) == ("ok", "the head moves")
    assert said(scene.verdict(RULE, 5)) == ("unknown", "neither the log nor the api can be seen")
    assert said(scene.take(info(60, 1823)).verdict(RULE, 60))[1].startswith("head 1,823 has not moved for 1 min")


def test_a_log_proves_nothing_about_what_it_lost() -> None:
    """Bytes were lost at 30; since then no block has come."""
    scene = seen_in_log(30)
    scene.memory.forgot("log", T0 + 30)
    assert said(scene.sees("log", 39.9).verdict(RULE, 39.9)) == ("ok", "the head moves")
    assert said(scene.sees("log", 40).verdict(RULE, 40))[0] == "failing"


def test_either_source_may_show_that_the_head_moves() -> None:
    """The log stands, the API goes on; and the other way round."""
    both = Scene(sources={"log", "api"}).sees("log", -60).sees("api", -60)
    both.take(received(0, 1823, "a"), info(11, 1840)).sees("log", 12)
    assert said(both.verdict(RULE, 12)) == ("ok", "the head moves")
    both.take(received(18, 1850, "a"), info(19, 1840)).sees("log", 22)
    assert said(both.verdict(RULE, 22)) == ("ok", "the head moves")


def test_a_log_that_lags_is_looked_at_again_soon() -> None:
    """At 10.1 the log is known to 9 only: whether the head moved meanwhile will be known in a moment."""
    verdict = seen_in_log(9).verdict(RULE, 10.2)
    assert said(verdict) == ("ok", "the head moves")
    assert verdict.until == pytest.approx(10.45)


def test_nothing_is_known_before_the_first_block_or_without_sight() -> None:
    """Or without anything that could show a block."""
    assert said(Scene().sees("log", 0).verdict(RULE, 3)) == ("unknown", "no block has been seen yet")
    assert said(seen_in_log(1).verdict(RULE, 6)) == ("unknown", "neither the log nor the api can be seen")
    verdict = Scene(sources=()).verdict(RULE, 6)
    assert (said(verdict), verdict.until) == (("unknown", "neither a log nor an api is configured"), float("inf"))


def test_a_higher_head_ends_it() -> None:
    """At once."""
    scene = seen_in_log(20)
    assert said(scene.verdict(RULE, 20))[0] == "failing"
    assert said(scene.take(received(20, 1824, "d")).verdict(RULE, 20.2)) == ("ok", "the head moves")
