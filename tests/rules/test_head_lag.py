"""head_lag: the head is old, or behind everybody else's."""

from __future__ import annotations

import pytest

from keeper.rules.head_lag import HeadLag
from tests.rules.build import T0, Scene, info, received, reference, said

RULE = HeadLag()


def syncing(rate: int, late: float, until: float = 30) -> Scene:
    """A log in which `rate` blocks a second arrive, the last of them `late` seconds old."""
    scene = Scene().sees("log", -60)
    gain = rate / 2 - 1
    for second in range(int(until)):
        age = late + (until - 1 - second) * gain
        scene.take(received(second - age, 1000 + second * rate, "a", late=age))
    return scene.sees("log", until)


def test_a_fresh_head_is_ok_until_the_next_block_could_be_too_old() -> None:
    """The next slot is half a second after the head's."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).sees("log", 1)
    verdict = scene.verdict(RULE, 1)
    assert (said(verdict), verdict.until) == (("ok", "the head is fresh"), 6.0)  # the log's word holds for five seconds
    scene.sees("log", float("inf"))
    assert scene.verdict(RULE, 1).until == 10.5


def test_a_block_that_is_too_old_when_it_comes_is_a_lag() -> None:
    """While the head moves: this node is syncing, at what pace, and how long it will take."""
    assert said(syncing(100, 9.9).verdict(RULE, 30))[0] == "ok"
    verdict = syncing(100, 490).verdict(RULE, 30)
    pace = "syncing at 100 blocks a second, in step in about 10 s"
    assert said(verdict) == ("failing", f"head 3,900 is 8 min 11 s old: {pace}")
    assert verdict.until == 31


def test_a_pace_below_the_chains_own_never_ends() -> None:
    """Two blocks a second are needed to stay level."""
    assert said(syncing(2, 490).verdict(RULE, 30))[1].endswith(": syncing at 2 blocks a second, too slow to catch up")


def test_the_pace_of_the_api_is_known_too() -> None:
    """A syncing node prints one block in a thousand."""
    scene = Scene(sources={"api"}).sees("api", 0)
    scene.take(info(second, 1000 + second * 50, age=3600) for second in range(10))
    assert said(scene.verdict(RULE, 9)) == (
        "failing",
        "head 1,450 is 1 h old: syncing at 50 blocks a second, in step in about 2 min 30 s",
    )


def test_a_head_that_stands_still_is_left_to_head_stalled_first() -> None:
    """It stalls at ten seconds and explains this; after twelve its age counts anyway."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 12)) == ("ok", "the head is fresh")
    assert said(scene.verdict(RULE, 12.2)) == ("failing", "head 1,000 is 12 s old")
    assert "head_stalled" in HeadLag.after


@pytest.mark.parametrize(
    ("heads", "state"),
    [
        ((1010, 1010, 1010), "ok"),
        ((1011, 1011, 1000), "failing"),
        ((1011, 1000, 1000), "ok"),
        ((1011, 1000), "ok"),
        ((1011,), "failing"),
    ],
)
def test_the_majority_of_the_reference_nodes_decides(heads: tuple[int, ...], state: str) -> None:
    """More than ten blocks, more than half of those that answer."""
    scene = Scene(sources={"api"}, references=3).sees("api", 0).take(info(0, 1000))
    scene.take(reference(0.5, name, head) for name, head in zip("xyz", heads, strict=False))
    assert said(scene.verdict(RULE, 1))[0] == state


def test_the_reason_names_the_distance() -> None:
    """And how many are ahead."""
    scene = Scene(sources={"api"}, references=3).sees("api", 0).take(info(0, 1000))
    scene.take(reference(0.5, "x", 1040), reference(0.5, "y", 1041), reference(0.5, "z", 1000))
    verdict = scene.verdict(RULE, 1)
    assert said(verdict) == ("failing", "head 1,000 is 40 blocks behind: two of three reference nodes are at 1,040")
    assert verdict.number == 40


def test_old_answers_of_reference_nodes_do_not_count() -> None:
    """After fifteen seconds; and the verdict does not hold longer than the youngest set of them."""
    scene = Scene(sources={"api"}, references=3).sees("api", 0)
    scene.take(reference(-10, "x", 1000), info(0, 1000), info(4, 1008))
    assert scene.verdict(RULE, 4.5).until == 5
    scene.take(reference(-10, "y", 1100), reference(-10, "z", 1100))
    assert said(scene.verdict(RULE, 5.1))[0] == "ok"


def test_a_head_that_just_stopped_is_stalled_or_late() -> None:
    """Others are far ahead and nothing has come for two seconds: head_stalled will know which."""
    scene = Scene(sources={"api"}, references=1).sees("api", 0).take(info(0, 1000), info(3, 1000))
    scene.take(reference(3, "x", 1040))
    assert said(scene.verdict(RULE, 3)) == (
        "unknown",
        "head 1,000 has stood still for 3 s while others went on: stalled, or late",
    )


def test_after_a_loss_the_age_of_the_head_is_not_known() -> None:
    """Only that nothing has come since: enough after twelve seconds."""
    scene = Scene().sees("log", -60).take(received(0, 1000, "a")).sees("log", 60)
    scene.memory.forgot("log", T0 + 60)
    scene.sees("log", float("inf"))
    assert said(scene.verdict(RULE, 71.9))[0] == "ok"
    assert said(scene.verdict(RULE, 72))[0] == "failing"


def test_nothing_is_known_without_sight_or_blocks() -> None:
    """Neither source."""
    assert said(Scene().sees("log", 0).verdict(RULE, 1)) == ("unknown", "no block has been seen yet")
    assert said(Scene().verdict(RULE, 1)) == ("unknown", "neither the log nor the api can be seen")
