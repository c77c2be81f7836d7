"""sender_silent: one of those that send to the receiver does not any more."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.core.receiver_event import Quiet
from keeper.rules.sender_silent import SenderSilent
from tests.rules.build import said
from tests.rules.receiver import answer, receiver, told

RULE = SenderSilent()


def silent(*names: str, seconds: float = 725.0, number: int | None = None) -> dict[str, Any]:
    """The first of them for so long, each other a minute less than the one before."""
    quiet = tuple(Quiet(name, seconds - 60 * place) for place, name in enumerate(names))
    return {"watched": 200, "silent": number or len(names), "quiet": quiet}


@pytest.mark.parametrize(
    ("stands", "said_of_it"),
    [
        ({}, ("ok", "no sender has a silent_after")),
        ({"watched": 1}, ("ok", "1 sender watched")),
        (
            {"watched": 3, "awaiting": 2, "awaited": ("a", "b")},
            ("ok", "3 senders watched, 2 of them not heard yet"),
        ),
        ({"watched": None}, ("unknown", "the receiver is of a version that does not watch its senders")),
        (silent("tokyo"), ("failing", "nothing was taken from tokyo for 12 min 5 s")),
        (
            silent("tokyo", "shop"),
            ("failing", "nothing was taken from tokyo for 12 min 5 s; 1 more is silent for too long: shop"),
        ),
        (
            silent("tokyo", "shop", "osaka"),
            ("failing", "nothing was taken from tokyo for 12 min 5 s; 2 more are silent for too long: shop and osaka"),
        ),
        (
            silent(*"abcdefg", number=112),
            (
                "failing",
                "nothing was taken from a for 12 min 5 s; 111 more are silent for too long: b, c, d, e and 107 others",
            ),
        ),
    ],
)
def test_a_sender_that_is_silent_for_too_long_fails(stands: dict[str, Any], said_of_it: tuple[str, str]) -> None:
    """The receiver says which those are; the reason names the longest silence, and how many more there are."""
    assert said(receiver(answer(0, **stands)).verdict(RULE, 0.5)) == said_of_it


def test_its_number_is_the_longest_silence() -> None:
    """In seconds, up to the answer."""
    verdict = receiver(answer(0, **silent("tokyo", "shop"))).verdict(RULE, 1)
    assert (verdict.number, verdict.happened) == (725.0, None)


def test_a_receiver_that_does_not_answer_or_refuses_explains_it() -> None:
    """Nobody is heard then."""
    assert set(RULE.after) == {"receiver_down", "receiver_refusing"}


def test_that_a_receiver_counts_anew_is_no_word_of_a_silent_sender() -> None:
    """Only that it is heard ends its silence, or that it may be silent; whoever else is awaited does not matter."""
    scene = receiver(answer(0, **silent("tokyo", "shop")))
    anew: dict[str, Any] = {"started": 2000.0, "up": 3.0, "watched": 200}
    told(scene, answer(10, awaiting=3, awaited=("backup", "shop", "tokyo"), **anew))
    assert said(scene.verdict(RULE, 10)) == (
        "unknown",
        "shop and tokyo have not been heard since the receiver began to count anew",
    )
    told(scene, answer(20, awaiting=2, awaited=("backup", "tokyo"), **anew))
    assert said(scene.verdict(RULE, 20)) == (
        "unknown",
        "tokyo has not been heard since the receiver began to count anew",
    )
    told(scene, answer(30, awaiting=1, awaited=("backup",), **anew))
    assert said(scene.verdict(RULE, 30)) == ("ok", "200 senders watched, 1 of them not heard yet")


def test_a_sender_that_stays_silent_fails_again() -> None:
    """As soon as the receiver has waited for it long enough itself."""
    scene = receiver(answer(0, **silent("tokyo")), answer(1, watched=200, awaiting=1, awaited=("tokyo",)))
    assert said(scene.verdict(RULE, 1))[0] == "unknown"
    told(scene, answer(2, **silent("tokyo", seconds=600.0)))
    assert said(scene.verdict(RULE, 2)) == ("failing", "nothing was taken from tokyo for 10 min")
    assert said(told(scene, answer(3, watched=200)).verdict(RULE, 3)) == ("ok", "200 senders watched")


def test_of_more_than_can_be_named_nobody_is_thought_heard() -> None:
    """Until those that are awaited can all be named."""
    scene = receiver(answer(0, **silent("tokyo")), answer(1, watched=200, awaiting=150, awaited=("a", "b")))
    assert said(scene.verdict(RULE, 1))[0] == "unknown"
    assert said(told(scene, answer(2, watched=200, awaiting=1, awaited=("a",))).verdict(RULE, 2))[0] == "ok"
