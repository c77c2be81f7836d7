"""delivery_backlog: packets of a statistics agent have not arrived for long."""

from __future__ import annotations

import pytest

from keeper.core.event import BacklogChanged
from keeper.rules.delivery_backlog import DeliveryBacklog
from tests.rules.agent import agent, backlog
from tests.rules.build import said

RULE = DeliveryBacklog()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (backlog(0, 0, None), ("ok", "nothing is owed")),
        (backlog(0, 0, None, refused=2), ("ok", "nothing is owed; 2 packets the server will never take")),
        (
            backlog(0, 214, 180, events=1204, why="the server still refuses live packets"),
            (
                "ok",
                "214 packets (1,204 events) have not arrived, the oldest since 12 min: "
                "the server still refuses live packets",
            ),
        ),
        (
            backlog(0, 1, 0, events=1),
            ("failing", "1 packet (1 event) has not arrived, the oldest since 15 min: they are being sent again"),
        ),
        (
            backlog(0, 5, 0, held=3, refused=1, why="it rests"),
            (
                "failing",
                "8 packets (9 events) have not arrived, the oldest since 15 min: it rests; 3 of them wait for a "
                "person; `keeper undelivered` shows them; 1 packet the server will never take",
            ),
        ),
        (
            backlog(0, 0, 0, held=3, why="what is left waits for a person"),
            (
                "failing",
                "3 packets (9 events) have not arrived, the oldest since 15 min: they wait for a person; "
                "`keeper undelivered` shows them",
            ),
        ),
        (
            backlog(0, 0, 0, held=1),
            (
                "failing",
                "1 packet (9 events) has not arrived, the oldest since 15 min: it waits for a person; "
                "`keeper undelivered` shows it",
            ),
        ),
    ],
)
def test_the_oldest_packet_may_be_a_quarter_of_an_hour_old(what: BacklogChanged, told: tuple[str, str]) -> None:
    """With what there is, why it is not sent again, and who must do something."""
    assert said(agent().take(what).verdict(RULE, 900)) == told


def test_the_promise_ends_when_the_oldest_is_old_enough() -> None:
    """Until then the words are kept fresh once a second; without any word nothing changes."""
    scene = agent().take(backlog(0, 3, 0))
    assert [scene.verdict(RULE, time).until for time in (10, 899.5)] == [11, 900]
    assert said(scene.verdict(RULE, 899.9))[0] == "ok"
    verdict = scene.verdict(RULE, 900)
    assert (said(verdict)[0], verdict.number, verdict.quiet) == ("failing", 900, float("inf"))


def test_the_newest_word_counts() -> None:
    """All have arrived."""
    scene = agent().take(backlog(0, 3, 0), backlog(950, 0, None))
    assert said(scene.verdict(RULE, 960)) == ("ok", "nothing is owed")


@pytest.mark.parametrize(
    ("before", "news"),
    [(None, True), (backlog(0, 9, 5), False), (backlog(0, 9, 4), True), (backlog(0, 0, None), True)],
)
def test_only_another_oldest_packet_is_news(before: BacklogChanged | None, news: bool) -> None:
    """Thousands are sent again behind it."""
    assert RULE.heeds(backlog(1, 8, 5), before, agent().memory.subject) is news


def test_before_the_first_word_nothing_is_known() -> None:
    """A replay never has one."""
    assert said(agent().verdict(RULE, 1)) == ("unknown", "what has not arrived is not known yet")


def test_what_is_owed_is_known_without_the_log() -> None:
    """keeper keeps it itself."""
    assert said(agent().take(backlog(0, 3, 0)).blinded("log", 1).verdict(RULE, 901))[0] == "failing"
