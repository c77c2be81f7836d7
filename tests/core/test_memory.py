"""What keeper remembers, and what a rule sees of it."""

from __future__ import annotations

import pytest

from keeper.core.event import (
    BlockReceived,
    BlocksMissed,
    ForkSwitched,
    InfoAnswer,
    LinesSeen,
    NodeStarted,
    PeerCount,
    ReferenceAnswer,
    WindowClosed,
)
from keeper.core.memory import MAX_ENDPOINTS, Bounds, Memory, Sight, Subject, View
from tests.rules.build import T0, Scene, blocks, info, received, reference


def test_events_are_remembered_by_kind_in_order() -> None:
    """Also those that follow from others."""
    scene = Scene().sees("log", -60).take(received(0, 7, "a"), PeerCount(T0, 1, 2), received(6.5, 8, "b"))
    view = View(scene.memory, T0 + 7)
    assert [event.number for event in view.recent(BlockReceived, 60)] == [7, 8]
    assert [event.number for event in view.newest_first(BlockReceived)] == [8, 7]
    assert view.recent(BlockReceived, 1) == [received(6.5, 8, "b")]
    assert view.last(PeerCount) == PeerCount(T0, 1, 2)
    assert view.last(BlocksMissed) == BlocksMissed(T0 + 6.6, 12)
    assert view.last(ForkSwitched) is None
    assert (view.recent(ForkSwitched, 60), list(view.newest_first(ForkSwitched))) == ([], [])


def test_rings_are_bounded() -> None:
    """By count and by bytes, as configured."""
    scene = Scene(bounds=Bounds(events=100, size=100_000)).sees("log", -60)
    scene.take(blocks(0, 100)).take(ForkSwitched(T0 + n, None, None, "x" * 10_000) for n in range(100))
    assert len(scene.memory.ring(BlockReceived)) == 100
    assert scene.memory.ring(ForkSwitched).bytes <= 100_000
    assert scene.memory.ring(ForkSwitched).forgotten == 100 - len(scene.memory.ring(ForkSwitched))


def test_closed_windows_are_remembered() -> None:
    """As events like others."""
    scene = Scene().sees("log", -60).knows().take(blocks(0, 8))
    assert scene.memory.close_windows(T0 + 7) == []  # closed when the block of 7.0 came, a moment later
    last = scene.memory.ring(WindowClosed).last
    assert isinstance(last, WindowClosed)
    assert (last.producer, last.signed) == ("a", 12)


def test_lines_of_one_second_are_one_event() -> None:
    """A log that speaks ten times a second costs no more than a quiet one."""
    scene = Scene().sees("log", 0)
    scene.take(LinesSeen(T0 + n / 10, 2, 1) for n in range(25))
    assert list(scene.memory.ring(LinesSeen)) == [
        LinesSeen(T0 + 0.9, 20, 10),
        LinesSeen(T0 + 1.9, 20, 10),
        LinesSeen(T0 + 2.4, 10, 5),
    ]


def test_any_line_is_a_sign_of_life_of_its_log() -> None:
    """Answers of the API are none."""
    scene = Scene(sources={"log", "api"}).sees("log", 0)
    assert scene.memory.last_line_at is None
    scene.take(info(5, 7))
    assert scene.memory.last_line_at is None
    scene.take(LinesSeen(T0 + 1, 1, 0))
    assert scene.memory.last_line_at == T0 + 1
    scene.take(received(2, 7, "a"), received(1, 6, "a"))
    assert scene.memory.last_line_at == T0 + 2.1


def test_the_last_answer_of_each_reference_node_counts_while_it_is_young() -> None:
    """And only if it is of our chain, as far as ours is known."""
    scene = Scene(sources={"api"}, references=2)
    other = reference(3, "z", 7)._replace(chain_id="d" * 64)
    scene.take(reference(0, "x", 5), reference(2, "x", 6), reference(-20, "y", 5), other)
    assert sorted(View(scene.memory, T0 + 4).references(15)) == ["https://x.example", "https://z.example"]
    scene.take(info(3, 7))
    assert View(scene.memory, T0 + 4).references(15) == {"https://x.example": reference(2, "x", 6)}


def test_reference_nodes_are_bounded() -> None:
    """Whoever answers beyond that is not heard; those that are known go on being heard."""
    scene = Scene().take(reference(0, f"n{n}", 5) for n in range(MAX_ENDPOINTS + 20)).take(reference(1, "n0", 9))
    assert len(scene.memory.references) == MAX_ENDPOINTS
    assert scene.memory.references["https://n0.example"] == reference(1, "n0", 9)


# -- sight -------------------------------------------------------------------------------------------------------------


def test_a_source_is_seen_while_it_speaks() -> None:
    """After five seconds of silence it is blind, also if it never said so."""
    memory = Scene().sees("log", 0).memory
    sight = memory.sights["log"]
    assert sight == Sight(up=True, since=T0, reason="", known_from=T0, known_until=T0)
    assert (sight.blind(T0 + 4.9), sight.blind(T0 + 5)) == (
        None,
        "nothing has been heard from the source for 5 s",
    )
    memory.sees("log", T0 + 4)
    memory.sees("log", T0 + 3)
    sight = memory.sights["log"]
    assert (sight.known_until, sight.blind_from, sight.seen(T0 + 6), sight.seen(T0 + 2)) == (
        T0 + 4,
        T0 + 9,
        T0 + 4,
        T0 + 2,
    )


def test_a_recorded_log_is_known_to_its_end() -> None:
    """Whatever the time, everything up to it is known."""
    sight = Scene().sees("log", 0, float("inf")).memory.sights["log"]
    assert (sight.blind(T0 + 1e9), sight.seen(T0 + 5)) == (None, T0 + 5)


def test_a_source_that_goes_down_says_why() -> None:
    """`since` is when it went down, whatever it says later."""
    memory = Scene().sees("log", 0).blinded("log", 3, "gone").blinded("log", 8, "denied").memory
    sight = memory.sights["log"]
    assert (sight.up, sight.since, sight.blind(T0 + 9)) == (False, T0 + 3, "denied")


def test_a_log_that_comes_back_has_lost_nothing_unless_it_says_so() -> None:
    """The file waits; an API cannot be asked about the past."""
    scene = Scene(sources={"log", "api"}).sees("log", 0).sees("api", 0)
    scene.blinded("log", 10).blinded("api", 10).sees("log", 50).sees("api", 50)
    view = View(scene.memory, T0 + 60)
    assert (view.known_since("log"), view.known_since("api")) == (T0, T0 + 50)
    scene.memory.forgot("log", T0 + 55)
    assert view.known_since("log") == T0 + 55


def test_a_log_reaches_back_to_its_first_line() -> None:
    """It was opened later than it was written."""
    scene = Scene().sees("log", 0)
    scene.memory.reaches_back("log", T0 - 300)
    assert View(scene.memory, T0).known_since("log") == T0 - 300
    scene.memory.reaches_back("log", T0 + 300)
    assert View(scene.memory, T0).known_since("log") == T0 - 300


def test_what_was_never_seen_is_known_since_never() -> None:
    """Nor what was not configured."""
    view = View(Scene().memory, T0)
    assert (view.known_since("log"), view.known_since("api")) == (float("inf"), float("inf"))
    assert view.sight("api") is None
    assert view.sight("log") == Sight(False, T0, "not opened yet", T0, -1.0)


@pytest.mark.parametrize(
    ("what", "turns"),
    [
        ("sees_again", 0),
        ("blinded", 1),
        ("forgot", 1),
        ("distrust", 1),
        ("distrusts_less", 1),
        ("started", 1),
        ("block", 0),
    ],
)
def test_what_no_event_tells_is_counted(what: str, turns: int) -> None:
    """So that the judge asks every rule again."""
    scene = Scene().sees("log", -60).knows().take(received(0, 7, "a"))
    before = scene.memory.turns
    if what == "sees_again":
        scene.sees("log", 1)
    elif what == "blinded":
        scene.blinded("log", 1)
    elif what == "forgot":
        scene.memory.forgot("log", T0 + 1)
    elif what in ("distrust", "distrusts_less"):
        scene.memory.distrust(T0 + 10, "late")
        if what == "distrusts_less":
            scene.memory.distrust(T0 + 5, "jump")
        assert (scene.memory.distrust_until, scene.memory.distrust_reason) == (T0 + 10, "late")
    elif what == "started":
        scene.take(NodeStarted(T0 + 1, "v4"))
    else:
        scene.take(received(0.5, 8, "a"))
    assert scene.memory.turns - before == turns


def test_another_schedule_is_a_turn() -> None:
    """It is believed with the first block that agrees, and refuted by one that does not."""
    scene = Scene().sees("log", -60).knows()
    before = scene.memory.turns
    assert scene.take(received(0, 7, "a")).memory.turns == before + 1
    assert scene.take(received(6, 8, "stranger")).memory.turns == before + 2


def test_a_subject_that_is_thought_of_differently_is_the_same_subject() -> None:
    """A reload that changes its role keeps its memory; one that changes its sources does not."""
    subject = Subject("n", "node", "A", frozenset("a"), frozenset({"log"}))
    assert subject.sees_as(Subject("n", "node", "B", frozenset("a"), frozenset({"log"}), 3))
    assert not subject.sees_as(Subject("n", "node", "A", frozenset("a"), frozenset({"api"})))


def test_memory_begins_when_keeper_does() -> None:
    """Nothing before can be proved."""
    memory = Memory(Subject("n", "node"), Bounds(), 1.0, T0)
    assert memory.ring(InfoAnswer).remembers_from == T0
    assert memory.ring(ReferenceAnswer).covers(T0)
    assert not memory.ring(ReferenceAnswer).covers(T0 - 1)
