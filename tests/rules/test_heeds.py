"""Rules that are not asked for what is no news, and what is news to them."""

from __future__ import annotations

import pytest

from keeper.core.event import BlockProduced, Event, NotProducing, PeerCount, WindowClosed
from keeper.core.memory import Subject
from keeper.rules.not_producing import NotProducing as NotProducingRule
from keeper.rules.own_missed import OwnMissed
from keeper.rules.own_silent import OwnSilent
from keeper.rules.peers_low import COUNT_LASTS, PeersLow
from keeper.rules.rule import Rule
from keeper.rules.wrong_producer import WrongProducer
from tests.rules.build import T0, Scene, blocks, produced

ACTIVE = Subject("n", "node", "A", frozenset("a"), frozenset({"log"}))
STANDBY = Subject("n", "node", "B", frozenset("a"), frozenset({"log"}))


def said(reason: str) -> NotProducing:
    return NotProducing(T0, reason, "why")


@pytest.mark.parametrize(
    ("rule", "event", "before", "subject", "news"),
    [
        (PeersLow(), PeerCount(T0 + 30, 1, 2), None, ACTIVE, True),
        (PeersLow(), PeerCount(T0 + 30, 1, 2), PeerCount(T0, 1, 3), ACTIVE, True),
        (PeersLow(), PeerCount(T0 + 30, 1, 2), PeerCount(T0, 1, 2), ACTIVE, False),
        (PeersLow(), PeerCount(T0 + COUNT_LASTS, 1, 2), PeerCount(T0, 1, 2), ACTIVE, True),
        (OwnMissed(), WindowClosed(T0, T0, "a", 12, 4095), None, ACTIVE, True),
        (OwnMissed(), WindowClosed(T0, T0, "b", 0, 0), None, ACTIVE, False),
        (WrongProducer(), BlockProduced(T0, 1, "", T0, "a", 1, 0), None, ACTIVE, False),
        (WrongProducer(), BlockProduced(T0, 1, "", T0, "b", 1, 0), None, ACTIVE, True),
        (WrongProducer(), produced(5.5, 2, "b"), produced(5, 1, "b"), ACTIVE, False),
        (WrongProducer(), produced(6, 2, "b"), produced(5.5, 1, "b"), ACTIVE, True),
        (WrongProducer(), produced(5.5, 2, "b"), produced(5, 1, "c"), ACTIVE, True),
        (NotProducingRule(), said("no_private_key"), said("no_private_key"), STANDBY, True),
        (NotProducingRule(), said("not_my_turn"), None, ACTIVE, False),
        (NotProducingRule(), said("explicitly_paused"), said("explicitly_paused"), ACTIVE, True),
        (NotProducingRule(), said("explicitly_paused"), said("explicitly_paused"), STANDBY, False),
        (NotProducingRule(), said("explicitly_paused"), said("no_private_key"), STANDBY, True),
    ],
)
def test_what_is_news_to_a_rule(rule: Rule, event: Event, before: Event | None, subject: Subject, news: bool) -> None:
    """What cannot change an answer asks for none: most of what a log repeats."""
    assert rule.heeds(event, before, subject) is news


def test_a_producer_of_ours_who_signs_again_is_heard_of() -> None:
    """Once a turn of the schedule of seven, whoever printed the block; not at each of its twelve blocks."""
    scene = Scene().sees_all("log", -60).knows().take(blocks(0, 126))
    assert OwnSilent.heeds_ours
    assert scene.memory.chain.our_turns == 3


def test_a_node_that_refused_and_signs_again_is_heard_of() -> None:
    """Even in the same window, and once."""
    scene = Scene(role="A").sees_all("log", -60).knows()
    scene.take(produced(0, 1000, "a"), produced(0.5, 1001, "a"))
    before = scene.memory.chain.our_turns
    scene.take(NotProducing(T0 + 0.9, "woke_too_late", "why"), *blocks(1.5, 6, first=1002, own="a"))
    assert NotProducingRule.heeds_ours
    assert scene.memory.chain.our_turns == before + 1
