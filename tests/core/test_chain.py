"""What the blocks of one node tell."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from keeper.core.chain import MAX_IDS, MAX_OWN_SLOTS, MAX_PRODUCERS, MAX_WINDOWS, Chain, same_id, short_id
from keeper.core.event import (
    BlockReceived,
    BlocksMissed,
    DoubleProduced,
    Event,
    NodeStarted,
    ScheduleAnswer,
    ScheduleProposed,
    WindowClosed,
)
from keeper.core.schedule import Schedule
from keeper.core.slots import FULL_WINDOW, scheduled, slot_of, window_of
from tests.rules.build import SCHEDULE, T0, block_id, blocks, info, produced, received, schedule_of, whole_id


def chain(ours: str = "a", *, knows: tuple[str, ...] = SCHEDULE, sees_from: float = -60.0) -> Chain:
    made = Chain(frozenset(ours.split()), grace=1.0)
    made.sees_from(T0 + sees_from)
    if knows:
        told(made, [ScheduleAnswer(T0, 1, knows, ())])
    return made


def told(made: Chain, events: Sequence[Event]) -> list[Event]:
    """Tell it everything; return what followed from the events, windows aside."""
    followed: list[Event] = []
    index = 0
    while index < len(events):
        index, derived = made.apply(events, index, len(events))
        followed += derived
    return followed


def lived(made: Chain, events: Sequence[Event], until: float) -> list[WindowClosed]:
    """Tell it everything at its time; return the windows it closed by `until`."""
    closed: list[WindowClosed] = []
    now = float("-inf")
    for index, event in enumerate(events):
        while made.next_close() <= event.at:
            closed += made.close_windows(max(now, made.next_close()))
        now = max(now, event.at)
        made.apply(events, index, index + 1)
    while made.next_close() <= T0 + until:
        closed += made.close_windows(max(now, made.next_close()))
    return closed


def shown(closed: list[WindowClosed]) -> list[tuple[float, float, str, int]]:
    """When each was judged, when it began, whose it was, how many blocks it had."""
    return [(round(w.at - T0, 3), w.start - T0, w.producer, w.signed) for w in closed]


# -- head, LIB, signers ------------------------------------------------------------------------------------------------


def test_head_and_lib_rise_with_the_blocks_of_the_log() -> None:
    """A lower or equal number changes neither."""
    made = chain()
    told(made, [received(0, 7, "a", lib=3), received(0.5, 8, "a", lib=3), received(1, 6, "a", lib=2)])
    assert (made.head, made.head_time, made.head_rose_at) == (8, T0 + 0.5, T0 + 0.6)
    assert (made.lib, made.lib_rose_at) == (3, T0 + 0.1)
    assert made.received_at == T0 + 1.1


def test_head_and_lib_rise_with_the_answers_of_the_api() -> None:
    """Whichever source is ahead tells."""
    made = chain()
    told(made, [received(0, 7, "a", lib=3), info(1, 9, lib=4), info(2, 8, lib=4), received(2, 10, "a", lib=None)])
    assert (made.head, made.head_rose_at) == (10, T0 + 2.1)
    assert (made.lib, made.lib_rose_at) == (4, T0 + 1)


def test_a_head_below_the_old_lib_is_a_node_that_began_anew() -> None:
    """No chain falls below its own LIB: it was restored from an older state."""
    made = chain()
    turns = made.turns
    told(made, [info(1, 900, lib=800), info(2, 850, lib=800)])
    assert made.head == 900
    told(made, [info(3, 500, lib=400)])
    assert (made.head, made.lib, made.turns) == (500, 400, turns + 2)  # the schedule agreed, the node began anew


def test_a_started_node_has_no_head_yet() -> None:
    """What it had before it went down does not count."""
    made = chain()
    told(made, [received(0, 7, "a", lib=3), NodeStarted(T0 + 1, "v4")])
    assert (made.head, made.lib) == (None, None)
    told(made, [received(2, 5, "a", lib=2)])
    assert (made.head, made.lib) == (5, 2)


def test_signers_are_remembered_with_their_newest_block() -> None:
    """From received and own blocks and from the API; an older block does not replace a newer one."""
    made = chain()
    told(made, [received(0, 7, "a"), produced(6, 8, "b"), received(-3, 2, "a"), info(13, 20, producer="c", age=1)])
    assert {name: (s.slot_time - T0, s.number) for name, s in made.signed.items()} == {
        "a": (0, 7),
        "b": (6, 8),
        "c": (12, 20),
    }
    assert {name: s.number for name, s in made.produced.items()} == {"b": 8}


# -- windows -----------------------------------------------------------------------------------------------------------


def test_a_whole_window_is_closed_one_grace_behind_its_end() -> None:
    """Twelve blocks, a later block seen, one second for stragglers."""
    closed = lived(chain(), blocks(0, 7.5), until=7.5)
    assert shown(closed) == [(7.0, 0.0, "a", 12)]
    assert closed[0].slots == FULL_WINDOW


def test_missing_blocks_are_told_by_their_places() -> None:
    """The third and the last block are missing."""
    closed = lived(chain(), blocks(0, 8, skip=(1.0, 5.5)), until=8)
    assert shown(closed) == [(7.0, 0.0, "a", 10)]
    assert closed[0].slots == FULL_WINDOW & ~(1 << 2) & ~(1 << 11)


def test_a_window_nobody_signed_belongs_to_its_scheduled_producer() -> None:
    """As when our node is paused: known one grace behind its end, because the next producer signs."""
    assert shown(lived(chain(), blocks(0, 14, without="b"), until=14)) == [(12.1, 0.0, "a", 12), (13.0, 6, "b", 0)]


def test_a_window_is_not_judged_before_a_later_block_is_seen() -> None:
    """Nobody signs: perhaps the network is cut off. The first block after it decides about all of them."""
    made = chain()
    assert shown(lived(made, blocks(0, 6), until=100)) == []
    assert made.next_close() == float("inf")
    later = blocks(27, 28, first=2000)
    later = [later[0]._replace(number=1012), *later[1:]]
    closed = lived(made, later, until=30)
    assert [(w.producer, w.signed) for w in closed] == [("a", 12), ("b", 0), ("c", 0), ("d", 0)]


def test_a_block_that_comes_late_still_counts() -> None:
    """The next producer did not wait for a window's last block, which arrives after his first, within the grace."""
    events = blocks(0, 7, skip=(5.5,))
    late = received(5.5, 1011, "a", late=1.2, branch="f")
    assert shown(lived(chain(), [*events[:12], late, *events[12:]], until=8)) == [(7.0, 0.0, "a", 12)]


@pytest.mark.parametrize("own", ["", "a", "b", "a b c d e f g"])
def test_own_blocks_fill_windows_like_received_ones(own: str) -> None:
    """On A, B, C and F alike."""
    closed = lived(chain(), blocks(0, 20, own=own.split()), until=20)
    assert [(w.producer, w.signed) for w in closed] == [("a", 12), ("b", 12), ("c", 12)]


def test_a_window_that_began_before_the_log_was_seen_is_not_judged() -> None:
    """Some of its blocks may have come before."""
    assert shown(lived(chain(sees_from=1.0), blocks(3, 14), until=14)) == [(13.0, 6.0, "b", 12)]


def test_nothing_is_judged_across_a_loss() -> None:
    """Bytes of the log were lost at 8: the window from 6 to 12 is not known."""
    made = chain()
    before, after = blocks(0, 8), blocks(9, 20, first=1018)
    assert shown(lived(made, before, until=8)) == [(7.0, 0.0, "a", 12)]
    made.sees_from(T0 + 8)
    assert shown(lived(made, after, until=20)) == [(19.0, 12.0, "c", 12)]


def test_no_window_is_judged_while_the_schedule_is_unknown() -> None:
    """Whose it is cannot be said."""
    assert lived(chain(knows=()), blocks(0, 30), until=30) == []


def test_the_window_in_which_a_schedule_takes_over_is_not_judged() -> None:
    """Neither the old producer nor the new one was to sign all of it (a window of two blocks in a real 2.0 log)."""
    new = schedule_of("uvwxyz")
    made = chain()
    told(made, [ScheduleProposed(T0 - 1, 2, new)])
    handover = [*blocks(0, 3), *blocks(3, 20, schedule=new, first=1006)]
    assert shown(lived(made, handover, until=20)) == [(13.0, 6.0, "v", 12), (19.0, 12.0, "w", 12)]


def test_a_first_window_of_which_only_the_end_was_to_be_signed_is_not_judged() -> None:
    """The producer before did not sign at all, so that only the new one is seen in it."""
    new = schedule_of("uvwxyz")
    made = chain(sees_from=-20)
    told(made, [ScheduleProposed(T0 - 1, 2, new)])
    handover = [*blocks(-12, 0, first=988), *blocks(5, 14, schedule=new)]
    assert shown(lived(made, handover, until=14))[-1] == (13.0, 6.0, "v", 12)
    assert "u" not in [w.producer for w in lived(made, blocks(14, 20, schedule=new, first=1018), until=20)]


def test_blocks_that_were_never_printed_are_not_missed() -> None:
    """A node that syncs prints every thousandth block only: the numbers jump, so nothing is said of the slots."""
    sparse = [received(t * 12.0, 1000 * t, scheduled(window_of(slot_of(T0 + t * 12)), SCHEDULE)) for t in range(1, 9)]
    made = chain()
    assert lived(made, sparse, until=200) == []
    assert told(chain(), sparse) == []


def test_windows_a_hung_node_slept_through_are_judged_when_it_wakes() -> None:
    """It prints the blocks of the last minutes one after the other; only our own are missing."""
    made = chain()
    events = blocks(0, 60, without="b")
    late = [e._replace(at=max(e.at, T0 + 40 + n / 1000)) for n, e in enumerate(events)]
    closed = lived(made, late, until=60)
    assert [(w.producer, w.signed) for w in closed[:3]] == [("a", 12), ("b", 0), ("c", 12)]


def test_the_answers_of_an_api_teach_the_schedule_but_close_no_window() -> None:
    """Once a second is too rarely to count blocks."""
    made = chain(knows=())
    for second in range(140):
        producer = scheduled(window_of(slot_of(T0 + second)), SCHEDULE)
        told(made, [info(second + 0.3, 1000 + 2 * second, producer=producer, age=0.3)])
    assert made.schedule.producers == SCHEDULE
    assert made.next_close() == float("inf")


def test_a_change_of_schedule_is_dated() -> None:
    """By the block that refuted the old one; learning the first schedule is no change."""
    made = chain()
    told(made, blocks(0, 6))
    assert made.schedule_changed_at is None
    new = schedule_of("uvwxyz")
    told(made, blocks(6, 7, schedule=new))
    assert made.schedule_changed_at == T0 + 6.1
    told(made, blocks(7, 60, schedule=new))
    assert (made.schedule.producers, made.schedule_changed_at) == (new, T0 + 6.1)


# -- gaps --------------------------------------------------------------------------------------------------------------


def test_empty_slots_between_blocks_are_missed_blocks() -> None:
    """From 36.0 to 42.5 a real log counts twelve; told with the block that ends the gap."""
    assert told(chain(), [received(0, 7, "a"), received(6.5, 8, "b")]) == [BlocksMissed(T0 + 6.6, 12)]


def test_the_first_block_ends_no_gap() -> None:
    """Nothing is known of what was before."""
    assert told(chain(), [received(6.5, 8, "b")]) == []


def test_an_old_gap_is_no_news() -> None:
    """The blocks around it come more than fifteen seconds late."""
    assert told(chain(), [received(0, 7, "a", late=60), received(6.5, 8, "b", late=60)]) == []


def test_a_block_from_the_future_is_not_believed() -> None:
    """It would put every real block into its past."""
    made = chain()
    assert told(made, [received(0, 7, "a"), received(3600, 8, "x", late=-3599), received(0.5, 8, "a")]) == []
    assert told(made, [received(1.5, 9, "a")]) == [BlocksMissed(T0 + 1.6, 1)]


def test_blocks_of_another_branch_are_no_gap() -> None:
    """After a fork switch numbers step back and come again."""
    events = [*blocks(0, 3), *(b._replace(id="f" * 16) for b in blocks(1, 3, first=1002)), *blocks(3, 4, first=1006)]
    assert told(chain("z"), events) == []


# -- double production -------------------------------------------------------------------------------------------------


def test_two_blocks_of_ours_in_one_slot_are_two_signers() -> None:
    """One came out of this node, so somebody else has our key."""
    first, second = produced(0, 7, "a"), received(0, 7, "a", branch="f")
    (double,) = told(chain(), [first, second])
    assert isinstance(double, DoubleProduced)
    assert (double.at, double.producer, double.number) == (second.at, "a", 7)
    assert double.text == (
        "block #7 of a exists twice, as 00000000 and as f0000000: somebody else signs with our key beside this node"
    )


def test_two_other_nodes_may_sign_as_us() -> None:
    """Seen on a standby."""
    (double,) = told(chain(), [received(0, 7, "a"), received(0, 7, "a", branch="f")])
    assert isinstance(double, DoubleProduced)
    assert double.text.endswith("two other nodes sign as us")


def test_the_same_block_twice_is_one_block() -> None:
    """Empty blocks are deterministic: two nodes with one key make the same id (recording B)."""
    assert told(chain(), [produced(0, 7, "a"), received(0, 7, "a"), received(0, 7, "a")]) == []


def test_the_ids_of_all_generations_are_comparable() -> None:
    """1.x prints the digits 0 to 16 of its own blocks and 8 to 24 of others'."""
    own = produced(0, 7, "a")._replace(id="00000007" + block_id(7)[:8])
    assert told(chain(), [own, received(0, 7, "a")]) == []
    assert len(told(chain(), [own, received(0, 7, "a", branch="f")])) == 1


def test_a_fork_of_somebody_elses_is_not_ours() -> None:
    """Only our accounts are watched."""
    assert told(chain(), [received(6, 7, "b"), received(6, 7, "b", branch="f")]) == []


def test_a_restarted_node_has_not_signed_twice() -> None:
    """It may sign a slot again that its former self signed on a branch that is gone."""
    assert told(chain(), [produced(0, 7, "a"), NodeStarted(T0 + 1, "v4"), produced(0, 7, "a", branch="f")]) == []


@pytest.mark.parametrize(
    ("number", "ident", "short"),
    [
        (0x1CF, "f85d27e2c4110a6f", "f85d27e2"),  # 2.0 on: digits 8 to 24
        (0x1CF, "000001cff85d27e2", "f85d27e2"),  # 1.x `Produced`: digits 0 to 16
        (0x1CF, whole_id(0x1CF), block_id(0x1CF)[:8]),  # the API: all 64
        (0x1CF, "000001cf", "000001cf"),  # Dawn 3: nothing but the number
        (0x1CF, "f85d27e2", "f85d27e2"),
        (0x1CF, "", ""),
    ],
)
def test_short_ids(number: int, ident: str, short: str) -> None:
    """The eight digits every generation prints."""
    assert short_id(number, ident) == short


def test_ids_are_the_same_as_far_as_both_go() -> None:
    """An empty one is the same as nothing."""
    assert same_id("f85d27e2", "f85d27e2c411")
    assert not same_id("f85d27e2", "f85d27e3")
    assert not same_id("", "f85d27e2")


# -- bounds and speed --------------------------------------------------------------------------------------------------


def test_everything_it_keeps_is_bounded() -> None:
    """A thousand producers, two thousand windows, a hundred thousand numbers."""
    made = Chain(frozenset({"us"}), grace=1.0)
    names = [f"p{n}" for n in range(1000)]
    for step in range(2000):
        time = step * 6.0
        who = "us" if step % 3 == 0 else names[step % 1000]
        told(made, [produced(time, step * 50 + k, who if k else names[(step * 7) % 1000]) for k in range(3)])
        told(made, [received(time + 1, step * 50 + k, names[(step + k) % 1000]) for k in range(3, 40)])
        made.close_windows(T0 + time)
    assert len(made.signed) <= MAX_PRODUCERS + 1
    assert len(made.produced) <= MAX_PRODUCERS + 1
    assert len(made.ids) <= 2 * MAX_IDS + 100
    assert len(made._windows) <= MAX_WINDOWS
    assert len(made._our_slots) <= MAX_OWN_SLOTS
    assert made.forgotten_producers > 0


def test_the_producer_forgotten_first_is_the_one_silent_longest() -> None:
    """Whoever signs now is remembered."""
    made = Chain(frozenset(), grace=1.0)
    for step in range(MAX_PRODUCERS + 10):
        told(made, [received(step * 6.0, step, f"p{step}")])
    assert "p0" not in made.signed
    assert f"p{MAX_PRODUCERS + 9}" in made.signed


def state(made: Chain) -> dict[str, object]:
    """Everything it knows."""
    found = dict(vars(made))
    schedule = found.pop("schedule")
    assert isinstance(schedule, Schedule)
    return found | {name: getattr(schedule, name) for name in Schedule.__slots__}


def test_taking_blocks_in_runs_is_taking_them_one_by_one(seed: int) -> None:
    """The fast way through a slice does exactly what the careful way does, whatever the events: random chains with
    empty slots, forks, repeated and late blocks, own blocks, syncing, restarts, answers of the API."""
    rng = random.Random(seed)
    for _ in range(60):
        events = random_chain(rng)
        ours = frozenset(rng.sample("abcdefg", rng.randrange(3)))
        careful, fast = Chain(ours, 1.0), Chain(ours, 1.0)
        assert all_of(careful, events, lambda: 1) == all_of(fast, events, lambda: rng.randrange(1, 40))
        assert state(careful) == state(fast)


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("ours", ["", "b"])
def test_the_grace_of_a_window_is_over_by_the_times_of_the_log(ours: str, size: int) -> None:
    """A backlog is read long after: still the last block of `b`, printed after the first of `c`, came in time."""
    events = blocks(0, 14, without="b")
    events.insert(14, received(11.5, 1012, "b", late=1.3, branch="f"))
    closed = [e for e in all_of(chain(ours), events, lambda: size, T0 + 500) if isinstance(e, WindowClosed)]
    assert shown(closed)[-2:] == [(500.0, 0.0, "a", 12), (500.0, 6.0, "b", 1)]


@pytest.mark.parametrize("size", [1, 40])
def test_a_window_is_not_judged_by_a_schedule_refuted_within_its_grace(size: int) -> None:
    """One block is dated far too late and takes the time along, but the next one, of another schedule, is not."""
    late = received(12, 1012, "c", late=20)
    events = [*blocks(0, 6), late, received(12.5, 1013, "y"), *blocks(13, 16, first=1014)]
    assert shown([e for e in all_of(chain("z"), events, lambda: size) if isinstance(e, WindowClosed)])[-1:] == [
        (32.0, 0.0, "a", 12)
    ]


def all_of(made: Chain, events: Sequence[Event], size: Callable[[], int], now: float = float("-inf")) -> list[Event]:
    """Everything that follows from the events and from time, which has come to `now`, taken in slices."""
    followed: list[Event] = []
    index = 0
    while index < len(events):
        while made.next_close() <= events[index].at:
            now = max(now, made.next_close())
            followed += made.close_windows(min(now, events[index].at), now)
        begin = index
        index, derived = made.apply(events, index, min(len(events), index + size()), now)
        followed += derived
        now = max(now, *(event.at for event in events[begin:index]))
    return followed


def random_chain(rng: random.Random) -> list[Event]:
    """Some minutes of a chain, sorted by time."""
    events: list[Event] = []
    number, time = 1000, 0.0
    schedule = schedule_of("abcdefg")
    for _ in range(rng.randrange(100, 500)):
        time += 0.5 * rng.choice([1] * 40 + [2, 13, 25, 50])
        number += rng.choice([1] * 40 + [1, 1, 5, -2])
        producer = scheduled(window_of(slot_of(T0 + time)), schedule)
        chance = rng.random()
        if chance < 0.03:
            producer = rng.choice("abcdefgxyz")
        if chance > 0.997:
            schedule = schedule_of(tuple(rng.sample("abcdefghij", rng.randrange(1, 9))))
        late = rng.choice([0.1] * 20 + [0.4, 1.2, 20.0, -0.3])
        lib = rng.choice([number - 20, None, number - 19])
        event: Event = received(time, number, producer, lib=lib, late=late, branch=rng.choice("0000001"))
        if chance < 0.1:
            event = produced(time, number, producer, lib=lib)
        events.append(event)
        if rng.random() < 0.05:
            events.append(event)
        if rng.random() < 0.1:
            events.append(info(time + 0.2, number, lib=max(1, number - 20), producer=producer, age=0.2))
        if rng.random() < 0.01:
            events.append(NodeStarted(T0 + time, "v4"))
        if rng.random() < 0.02:
            events.append(ScheduleAnswer(T0 + time, 1, schedule, ()))
    return sorted(events, key=lambda event: event.at) if rng.random() < 0.8 else events


def test_a_slice_ends_before_the_time_a_window_is_to_be_closed() -> None:
    """Otherwise a replay would judge the window only with the next slice."""
    made = chain("z")
    events = blocks(0, 12)
    index, _ = made.apply(events, 0, len(events))
    event = events[index]
    assert isinstance(event, BlockReceived)
    assert made.next_close() == T0 + 1.0  # the window before T0
    assert event.at == pytest.approx(T0 + 1.1)
