"""not_producing: nodeos itself says why it does not produce."""

from __future__ import annotations

import pytest

from keeper.core.event import NOT_PRODUCING_REASONS, NotProducing, PausedAnswer, ProducerResumed
from keeper.rules import not_producing
from keeper.rules.not_producing import EXPLAINED
from tests.rules.build import T0, Scene, produced, received, said, schedule_of

RULE = not_producing.NotProducing()
PAUSED = "this node did not sign at 20:36:12: it is paused; resume it with /v1/producer/resume"
NONE = "nodeos gives no reason not to produce"


def told(*words: tuple[float, str], role: str = "B") -> Scene:
    scene = Scene(role=role).sees("log", -600)
    return scene.take(NotProducing(T0 + at, word, f"text of {word}") for at, word in words).sees("log", 60)


@pytest.mark.parametrize("word", [word for word in NOT_PRODUCING_REASONS if word != "not_my_turn"])
def test_every_word_is_explained(word: str) -> None:
    """With a cure, and nodeos' own sentence where it tells more."""
    verdict = told((12, word), role="A").verdict(RULE, 60)
    state, reason = said(verdict)
    assert state == "failing"
    assert reason.startswith(f"this node did not sign at 20:36:12: {EXPLAINED[word]}")
    assert len(EXPLAINED[word]) > 20
    assert verdict.number == 48


def test_the_words_are_exactly_those_of_the_event() -> None:
    """A new word of the format wants an explanation."""
    assert set(EXPLAINED) | {"not_my_turn"} == set(NOT_PRODUCING_REASONS)


def test_details_are_quoted() -> None:
    """nodeos says how old LIB is."""
    verdict = told((12, "irreversible_too_old")).verdict(RULE, 60)
    assert said(verdict)[1].endswith('see why LIB stands still ("text of irreversible_too_old")')


def test_not_my_turn_is_never_a_fault() -> None:
    """And hides nothing that was said before it."""
    assert said(told((12, "not_my_turn"), role="A").verdict(RULE, 60)) == ("ok", NONE)
    assert said(told((12, "no_private_key"), (13, "not_my_turn")).verdict(RULE, 60))[0] == "failing"


@pytest.mark.parametrize(("role", "state"), [("A", "failing"), ("B", "ok"), ("C", "ok"), ("F", "ok")])
def test_explicitly_paused_is_a_fault_in_role_a_only(role: str, state: str) -> None:
    """A standby is paused by intention."""
    verdict = told((12, "explicitly_paused"), role=role).verdict(RULE, 60)
    assert said(verdict) == (state, PAUSED if role == "A" else NONE)


def test_the_newest_word_counts() -> None:
    """A standby that was resumed by mistake and is paused again has no fault."""
    assert said(told((12, "irreversible_too_old"), (20, "explicitly_paused")).verdict(RULE, 60)) == ("ok", NONE)


def test_a_block_signed_since_ends_it() -> None:
    """Whatever the reason was, it is over."""
    scene = told((12, "woke_too_late"), role="A")
    assert said(scene.verdict(RULE, 60))[0] == "failing"
    assert said(scene.take(produced(60, 2000, "a")).verdict(RULE, 60))[0] == "ok"


def test_the_word_is_forgotten_after_the_window() -> None:
    """A round of 21 and four windows."""
    scene = told((12, "woke_too_late")).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 161.9))[0] == "failing"
    verdict = scene.verdict(RULE, 162)
    assert (said(verdict), verdict.until) == (("ok", NONE), float("inf"))


def test_longer_rounds_are_waited_for() -> None:
    """Of 30 producers: 180 s and four windows."""
    thirty = schedule_of([f"p{n}" for n in range(30)])
    scene = told((12, "woke_too_late")).knows(thirty, time=-1).take(received(0, 1000, "p0")).sees("log", float("inf"))
    assert said(scene.verdict(RULE, 215))[0] == "failing"
    assert said(scene.verdict(RULE, 216))[0] == "ok"


def test_a_resumed_node_is_paused_no_more() -> None:
    """Said by its log or its API."""
    log = told((12, "explicitly_paused"), role="A").take(ProducerResumed(T0 + 20))
    assert said(log.verdict(RULE, 60)) == ("ok", NONE)
    api = told((12, "explicitly_paused"), role="A").take(PausedAnswer(T0 + 59, False))
    assert said(api.verdict(RULE, 60)) == ("ok", NONE)
    other = told((12, "no_private_key"), role="A").take(ProducerResumed(T0 + 20))
    assert said(other.verdict(RULE, 60))[0] == "failing"


def test_role_a_may_not_be_paused_whoever_says_so() -> None:
    """The API knows it before the node's turn comes; Spring pauses for missing votes, too."""
    scene = Scene(role="A", sources={"log", "api", "details"}).sees("log", 0).take(PausedAnswer(T0, True))
    verdict = scene.verdict(RULE, 1)
    assert said(verdict) == (
        "failing",
        "this node is paused although its role is A; resume it with /v1/producer/resume, "
        "and see whether votes are missing",
    )
    scene.sees("log", float("inf"))
    assert said(scene.verdict(RULE, 29.9))[0] == "failing"
    assert said(scene.verdict(RULE, 30)) == ("ok", NONE)  # an old answer
    standby = Scene(role="B", sources={"log", "api"}).sees("log", 0).take(PausedAnswer(T0, True))
    assert said(standby.verdict(RULE, 1)) == ("ok", NONE)


def test_role_a_without_a_log_is_at_least_not_paused() -> None:
    """So that its alert can be resolved."""
    scene = Scene(role="A", sources={"api", "details"}).take(PausedAnswer(T0, False))
    verdict = scene.verdict(RULE, 1)
    assert said(verdict) == ("ok", "this node is not paused; without its log no other reason would be known")
    assert verdict.until == 30
    assert said(scene.verdict(RULE, 30)) == ("unknown", "no log is configured")


def test_nothing_is_known_without_sight_of_the_log() -> None:
    """But what was said stays said."""
    assert said(Scene().sees("log", 0).verdict(RULE, 6))[0] == "unknown"
    assert said(told((12, "woke_too_late")).blinded("log", 60).verdict(RULE, 70))[0] == "failing"
