"""The promise of `until`: asking at deadlines only gives the verdicts that asking ten times a second gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from keeper.core.event import Event, ReferenceAnswer
from keeper.core.memory import Bounds, Memory, Subject, View
from keeper.core.verdict import State
from keeper.rules.advance import advance
from keeper.rules.agent_silent import AgentSilent
from keeper.rules.answer_slow import AnswerSlow
from keeper.rules.delivery_backlog import DeliveryBacklog
from keeper.rules.delivery_failing import DeliveryFailing
from keeper.rules.delivery_outage import DeliveryOutage
from keeper.rules.judge import Judge
from keeper.rules.own_silent import OwnSilent
from keeper.rules.packets_set_aside import PacketsSetAside
from keeper.rules.queue_behind import QueueBehind
from keeper.rules.queue_spoiled import QueueSpoiled
from keeper.rules.receiver_down import ReceiverDown
from keeper.rules.receiver_refusing import ReceiverRefusing
from keeper.rules.rule import Rule
from keeper.rules.sender_silent import SenderSilent
from keeper.rules.source_down import SourceDown
from keeper.rules.store_failing import StoreFailing
from keeper.rules.table import RULES
from keeper.rules.worker_failing import WorkerFailing
from tests.rules.agent_life import AgentLife, AgentStretch, agent_happenings, agent_lives
from tests.rules.build import T0
from tests.rules.receiver_life import ReceiverLife, receiver_happenings, receiver_lives
from tests.rules.timeline import Happening, Life, happenings, lives

GRID = 0.1
IN_TIME = 0.25 + GRID  # a failure, or the end of sight, after a verdict that was OK
FRESH = 1.0 + IN_TIME  # what leaves FAILING or UNKNOWN is asked for once a second


def rules() -> list[Rule]:
    """Every rule about nodes, own_silent with windows that fit into the lives."""
    made: list[Rule] = [rule() for rule in RULES.values() if "node" in rule.kinds]
    short = OwnSilent(window_a=40.0, window_b=40.0, window_c=70.0, window_f=55.0)
    return [short if rule.name == short.name else rule for rule in made]


def agent_rules() -> list[Rule]:
    """Every rule about agents, with windows that fit into the lives."""
    made: list[Rule] = [
        SourceDown(),
        DeliveryOutage(window=15.0),
        DeliveryFailing(window=40.0, count=60),
        DeliveryBacklog(age=20.0),
        AnswerSlow(window=30.0),
        AgentSilent(window=25.0),
    ]
    assert {rule.name for rule in made} == {name for name, rule in RULES.items() if "agent" in rule.kinds}
    return made


def receiver_rules() -> list[Rule]:
    """Every rule about receivers, with windows that fit into the lives."""
    made: list[Rule] = [
        ReceiverDown(),
        ReceiverRefusing(window=20.0, requests=3),
        StoreFailing(window=15.0),
        WorkerFailing(window=40.0, down=10.0),
        QueueBehind(age=20.0, records=400),
        PacketsSetAside(most=5),
        QueueSpoiled(window=60.0),
        SenderSilent(),
    ]
    assert {rule.name for rule in made} == {name for name, rule in RULES.items() if "receiver" in rule.kinds}
    return made


class Answer(NamedTuple):
    time: float
    rule: str
    state: State
    reason: str


def memory_of(life: Life) -> Memory:
    sources = life.sources | {"reference"}
    return Memory(Subject("n", "node", life.role, life.producers, sources, 3), Bounds(), 1.0, T0)


def recorded_memory_of(life: Life) -> Memory:
    """Of a log known to its end, as a replay has it."""
    memory = Memory(Subject("n", "node", life.role, life.producers, frozenset({"log"})), Bounds(), 1.0, T0)
    memory.sees("log", T0)
    memory.sees("log", float("inf"))
    return memory


def memory_of_agent(life: AgentLife) -> Memory:
    return Memory(Subject("a", "agent", sources=frozenset({"log"})), Bounds(events=life.remembered), 1.0, T0)


def memory_of_receiver(life: ReceiverLife) -> Memory:
    return Memory(Subject("r", "receiver", sources=frozenset({"status"})), Bounds(events=life.remembered), 1.0, T0)


def at_deadlines(memory: Memory, rules: Sequence[Rule], told: Sequence[Happening]) -> Iterator[Answer]:
    """As the loop does it: sleep until something comes or is due."""
    judge = Judge(memory, rules, T0)
    for happening in told:
        now = T0 + happening.time
        while (due := min(judge.due, memory.chain.next_close())) < now:
            for judged in advance(memory, judge, (), max(due, judge.now or 0.0)):
                yield Answer(judge.now or now, judged.rule.name, judged.verdict.state, judged.verdict.reason)
        happening.tell(memory)
        for judged in advance(memory, judge, happening.events, now):
            yield Answer(judge.now or now, judged.rule.name, judged.verdict.state, judged.verdict.reason)


def in_pieces(memory: Memory, rules: Sequence[Rule], events: Sequence[Event], size: int) -> Iterator[Answer]:
    """As a replay does it: many events at once, whatever is due between them."""
    judge = Judge(memory, rules, T0)
    for start in range(0, len(events), size):
        piece = events[start : start + size]
        for judged in advance(memory, judge, piece, piece[-1].at):
            yield Answer(judge.now or piece[-1].at, judged.rule.name, judged.verdict.state, judged.verdict.reason)


def all_the_time(memory: Memory, rules: Sequence[Rule], told: Sequence[Happening]) -> Iterator[Answer]:
    """Every rule ten times a second, and at what wakes it: a state may come and go between two points of the grid."""
    index = 0
    end = told[-1].time
    for step in range(int(end / GRID)):
        time = step * GRID
        while index < len(told) and told[index].time <= time:
            told[index].tell(memory)
            events = told[index].events
            reached = 0
            while reached < len(events):
                event = events[reached]
                memory.close_windows(event.at)
                reached, _ = memory.take(events, reached, reached + 1)
                view = View(memory, event.at)
                for rule in rules:
                    if type(event) in rule.wakes:
                        verdict = rule.judge(view)
                        yield Answer(T0 + time, rule.name, verdict.state, verdict.reason)
            index += 1
        memory.close_windows(T0 + time)
        view = View(memory, T0 + time)
        for rule in rules:
            verdict = rule.judge(view)
            yield Answer(T0 + time, rule.name, verdict.state, verdict.reason)


def hold_against_each_other(lazily: Iterator[Answer], eagerly: Iterator[Answer], rules: Sequence[Rule]) -> None:
    lazy: dict[str, list[Answer]] = {rule.name: [] for rule in rules}
    for answer in lazily:
        lazy[answer.rule].append(answer)
    since: dict[str, Answer] = {}
    position = dict.fromkeys(lazy, 0)
    for eager in eagerly:
        name = eager.rule
        if name not in since or since[name].state is not eager.state:
            since[name] = eager
        answers = lazy[name]
        while position[name] + 1 < len(answers) and answers[position[name] + 1].time <= eager.time:
            position[name] += 1
        current = answers[position[name]]
        patience = IN_TIME if current.state is State.OK else FRESH
        # What was asked for between two points of the grid counts too: it was so at that moment.
        agreed = max(since[name].time, current.time)
        if eager.time - agreed >= patience and current.state is not eager.state:
            raise AssertionError(
                f"{name} at {eager.time - T0:.1f}: asked all the time it has been {eager.state.value} "
                f"({eager.reason}) since {since[name].time - T0:.1f}, but asked at deadlines it is "
                f"{current.state.value} ({current.reason}) since {current.time - T0:.2f}"
            )


@hypothesis.settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(lives())
def test_deadlines_tell_what_asking_all_the_time_tells(life: Life) -> None:
    """For every rule and whatever happens to node, network and sources: a state that lasts is told within a quarter of
    a second after OK, and within one more second after FAILING or UNKNOWN."""
    told = list(happenings(life))
    if told:
        lazily, eagerly = at_deadlines(memory_of(life), rules(), told), all_the_time(memory_of(life), rules(), told)
        hold_against_each_other(lazily, eagerly, rules())


@hypothesis.settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(lives(), st.integers(1, 400))
def test_a_replay_tells_what_asking_all_the_time_tells(life: Life, size: int) -> None:
    """In a recorded log, too, where deadlines are put off for as long as it goes on, however it is cut into pieces."""
    life = life._replace(sources=frozenset({"log"}))
    heard = [event for happening in happenings(life) for event in happening.events]
    events = sorted((event for event in heard if not isinstance(event, ReferenceAnswer)), key=lambda event: event.at)
    told = [Happening(event.at - T0, lambda memory: None, (event,)) for event in events]
    if told:
        lazily = in_pieces(recorded_memory_of(life), rules(), events, size)
        hold_against_each_other(lazily, all_the_time(recorded_memory_of(life), rules(), told), rules())


@hypothesis.settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(agent_lives())
@hypothesis.example(
    # Nine slow answers and a quick one: it is the quick one that makes them enough.
    AgentLife(
        [
            AgentStretch(6, 1, "well", "usual", "same"),
            AgentStretch(35, 12, "well", "usual", "same"),
            AgentStretch(13, 0, "well", "usual", "same"),
            AgentStretch(31, 1, "slow", "usual", "same"),
            AgentStretch(25, 0, "well", "usual", "same"),
            AgentStretch(4, 1, "fifth", "usual", "same"),
        ],
        100,
        False,
        0,
    )
)
@hypothesis.example(
    # Of ten answers the oldest leaves right after the newest came, twice in a row: FAILING for 0.05 s each time.
    AgentLife(
        [
            AgentStretch(19, 0, "well", "usual", "same"),
            AgentStretch(27, 0, "well", "blind", "same"),
            AgentStretch(15, 1, "slow", "usual", "same"),
            AgentStretch(21, 0, "well", "usual", "same"),
            AgentStretch(15, 1, "slow", "usual", "same"),
        ],
        15,
        False,
        1321,
    )
)
def test_deadlines_tell_it_of_agents_too(life: AgentLife) -> None:
    """Whatever a statistics agent sends and its server answers, also when keeper remembers less than a window of it."""
    told = list(agent_happenings(life))
    lazily = at_deadlines(memory_of_agent(life), agent_rules(), told)
    hold_against_each_other(lazily, all_the_time(memory_of_agent(life), agent_rules(), told), agent_rules())


@hypothesis.settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(receiver_lives())
def test_deadlines_tell_it_of_receivers_too(life: ReceiverLife) -> None:
    """However it stands, restarts, or does not answer."""
    told = list(receiver_happenings(life))
    lazily = at_deadlines(memory_of_receiver(life), receiver_rules(), told)
    hold_against_each_other(lazily, all_the_time(memory_of_receiver(life), receiver_rules(), told), receiver_rules())
