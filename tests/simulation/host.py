"""One host: a node, a keeper with the real decisions, a guard with the real rule, and their service manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keeper.failover.actions import TOWARDS, Action, Answer
from keeper.failover.facts import Facts, OfChain, OfCluster, OfKeeper, OfNode
from keeper.failover.state import Kept, State, kept, restored
from keeper.failover.terms import Terms
from keeper.failover.turns import asked_for_itself, planned_step_down, planned_takeover
from tests.simulation import invariants
from tests.simulation.executor import Executor
from tests.simulation.guard import GuardProcess
from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.world import World

NEVER = float("-inf")


class Host:
    """`rate`: how fast its monotonic clock runs. `keeper` counts the lives of that process; 0: dead. `frozen`
    counts what holds it. What arrives while it is frozen waits in `inbox`."""

    def __init__(self, world: World, terms: Terms, rate: float, starts_paused: bool) -> None:
        self.world = world
        self.terms = terms
        self.name = terms.host
        self.rate = rate
        self.offset = 1000.0 * world.chance.random()
        self.node = Node(world, self.name, starts_paused)
        self.executor = Executor(self)
        self.off = False
        self.frozen_whole = 0
        self.thawed_at = NEVER
        # keeper
        self.keeper = 1
        self.frozen = 0
        self.lives = 1
        self.inbox: list[Callable[[], None]] = []
        self.state = State(since=self.mono)
        self.disk = Kept()
        self.disk_full = False
        self.log_blind = False
        self.answers: list[Answer] = []
        self.paused_answer: tuple[bool, float] | None = None
        self.sample: tuple[bool, float] | None = None
        self.paused_since = float("inf")
        self.answered_at = self.mono
        self.seen_at = NEVER
        self.seen = OfCluster()
        self.distrust_until = NEVER
        self.stepped_at = NEVER
        self.asked = self.by_itself = False
        self.order = ""
        self.paused_here = ""
        self.well_since = 0.0  # since when nothing excuses this host's keeper
        self.excuses = 0
        self.awake_since = 0.0  # since when keeper runs without a break
        world.after(world.chance.random() * terms.tick, self._tick, self.keeper)
        self.guard = GuardProcess(self)

    @property
    def mono(self) -> float:
        return self.offset + self.rate * self.world.now

    # -- keeper ----------------------------------------------------------------------------------------------------

    def when_awake(self, call: Callable[..., None], *args: Any) -> None:
        """In keeper's process: at once, when it is thawed, or never."""
        if self.frozen:
            self.inbox.append(lambda: call(*args))
        else:
            call(*args)

    def answer(self, life: int, action: Action, result: Any) -> None:
        """What came of an action, for the keeper that began it."""
        if life == self.keeper:
            self.when_awake(self._answered, life, Answer(action, result))

    def _answered(self, life: int, answer: Answer) -> None:
        if life == self.keeper:
            self.answers.append(answer)
            self.look()

    def _tick(self, life: int) -> None:
        if life != self.keeper:
            return
        if self.frozen:
            self.inbox.append(lambda: self._tick(life))
            return
        self.world.after(self.terms.tick / self.rate, self._tick, life)
        self._poll()
        self.look()

    def _poll(self) -> None:
        """The answers to the questions of the last tick have come; new ones are put."""
        mono = self.mono
        if self.sample is not None:
            self._heard_paused(*self.sample)
            self.sample = None
        if self.node.answers:
            self.answered_at = mono
            self.sample = (self.node.paused, mono)
        store, network = self.world.store, self.world.network
        if not self.world.lease:
            self.seen_at = mono
            self.seen = OfCluster(self.paused_here, "", True, frozenset())
        elif not store.down and network.reaches(self.name, "store"):
            store.heard[self.name] = self.world.now
            if network.reaches("store", self.name):
                self.seen_at = mono
                self.seen = OfCluster(store.paused, store.wanted, True, store.there(), store.vacant(), store.expire())

    def read_back(self) -> None:
        if self.node.answers:
            self.answered_at = self.mono
            self._heard_paused(self.node.paused, self.mono)
            self.sample = None

    def _heard_paused(self, paused: bool, asked_at: float) -> None:
        before = self.paused_answer
        if not paused:
            self.paused_since = float("inf")
        elif before is None or not before[0] or asked_at - before[1] > 2.0:
            self.paused_since = asked_at
        self.paused_answer = (paused, asked_at)

    def facts(self, mono: float) -> Facts:
        node, now = self.node, self.world.now
        paused, asked_at = self.paused_answer or (None, NEVER)
        if mono - asked_at > 2.0:
            paused = None
        answers, self.answers = tuple(self.answers), []
        return Facts(
            self._chain(now),
            OfNode(
                paused,
                asked_at,
                self.paused_since,
                mono - self.answered_at,
                now - node.own_block > 1.0,
                not node.alive,
                self._started(),
                True,
                True,
            ),
            self.seen if mono - self.seen_at < 5.0 else OfCluster(),
            OfKeeper(
                "the clock jumped" if mono < self.distrust_until else "",
                not self.disk_full,
                max(0.0, self.terms.cool_down - (mono - self.stepped_at)),
                0,
                5,
                self.order,
            ),
            answers,
        )

    def _started(self) -> float:
        return self.offset + self.rate * self.node.started_at

    def _chain(self, now: float) -> OfChain:
        node = self.node
        if self.log_blind:
            return OfChain()
        gap, behind = self.world.chain.gap(now), 0.4
        if node.stale_since is not None:
            behind += now - node.stale_since
        elif not gap:  # while our window stays empty the head grows old for everybody
            behind = max(behind, now - max(self.world.chain.started, node.elsewhere, node.own_block))
        missed = node.missed if node.stale_since is None else None
        others = 2 if behind < 30.0 else 0
        judged = now - self.world.chain.judged
        return OfChain(True, missed, False, judged, behind, behind, others, 2, None, 0, now - node.elsewhere, gap)

    def look(self) -> None:
        mono = self.mono
        before = self.state
        facts = self.facts(mono)
        state, actions = self.world.step(before, facts, mono, self.terms)
        self.state = state
        self.asked = asked_for_itself(self.asked, facts, actions, self.terms)
        if state.name != before.name:
            self.world.tell(self.name, f"{before.name} -> {state.name}: {state.why}")
            self._rest(before, state, facts, mono)
        if self.node.excused and state.name == "producing" and self._is_guarded(mono):
            self.node.excused = ""  # it runs by right again
            self.world.check_one_runs()
        if not self.disk_full:
            self.disk = kept(state)
        if actions:
            if any(isinstance(action, TOWARDS) for action in actions):
                invariants.may_act(self, before, facts)
            self.executor.do(actions)

    def _rest(self, before: State, state: State, facts: Facts, mono: float) -> None:
        """As the shell does: after what was not planned."""
        if state.name == "taking_over":
            self.by_itself = not planned_takeover(self.asked, facts, self.terms)
        took = state.name == "producing" and before.name == "taking_over" and self.by_itself
        gave = before.name in ("producing", "taking_over") and state.name != "producing"
        if took or (gave and not planned_step_down(facts, self.terms)):
            self.stepped_at = mono

    def _is_guarded(self, mono: float) -> bool:
        """The lease is truly its own, and there is time to stop."""
        store, deadline = self.world.store, self.guard.state.deadline
        left = store.ends - store.clock if store.expire() == self.name else 0.0
        enough = left > self.terms.timing.act_within + self.terms.timing.margin
        return enough and deadline is not None and deadline > mono

    # -- what happens to it ----------------------------------------------------------------------------------------

    def kill_keeper(self, back_in: float) -> None:
        if self.keeper:
            self.world.tell(self.name, "keeper is killed")
            self.keeper = 0
            self.frozen = self.frozen_whole
            self.inbox.clear()
            self.answers.clear()
            self.executor.queue.clear()
            self.world.after(back_in, self.start_keeper)

    def start_keeper(self) -> None:
        if self.keeper or self.off:
            return
        self.lives += 1
        self.keeper = self.lives
        self.world.tell(self.name, "keeper starts")
        self.state = restored(self.disk, self.mono)
        self.paused_answer = self.sample = None
        self.answered_at = self.mono
        self.seen_at = NEVER
        self.node.heard_other_since = None
        self.awake_since = self.world.now
        self.when_awake(self._tick, self.keeper)

    def thawed(self) -> None:
        if not self.frozen:
            self.awake_since = self.world.now
            waiting, self.inbox = self.inbox, []
            for call in waiting:
                call()

    def is_well(self) -> bool:
        """Nothing excuses the keeper if it does not do its duty now."""
        return self.keeper > 0 and not self.frozen and not self.excuses and self.world.now - self.well_since > 1.0

    def excuse(self) -> None:
        self.node.heard_other_since = None
        self.excuses += 1
        self.well_since = float("inf")

    def excuse_no_more(self) -> None:
        self.excuses -= 1
        if not self.excuses:
            self.well_since = self.world.now

    # -- the host as a whole ---------------------------------------------------------------------------------------

    def power_off(self, back_in: float) -> None:
        if self.off:
            return
        self.world.tell(self.name, "host loses power")
        self.off = True
        self.keeper = self.frozen = self.frozen_whole = 0
        self.guard.power_off()
        self.inbox.clear()
        self.answers.clear()
        self.executor.queue.clear()
        self.node.die("no power")
        self.world.after(back_in, self.power_on)

    def power_on(self) -> None:
        if not self.off:
            return
        self.world.tell(self.name, "host boots")
        self.off = False
        self.offset = -self.rate * self.world.now  # the monotonic clock begins anew
        self.distrust_until = self.stepped_at = NEVER
        self.disk = self.disk._replace(grant=None)
        self.node.start(self.node.process)
        self.guard.start()
        self.start_keeper()

    def freeze_whole(self) -> None:
        if self.off:
            return
        self.world.tell(self.name, "host is suspended")
        self.frozen_whole += 1
        self.frozen += 1
        self.guard.frozen += 1
        self.node.frozen += 1
        self.node.look()
        if self.node.runs:
            self.node.excused = "its host was suspended as a whole"

    def thaw_whole(self) -> None:
        if not self.frozen_whole:
            return
        self.world.tell(self.name, "host goes on")
        self.frozen_whole -= 1
        self.thawed_at = self.world.now
        self.frozen -= 1
        self.guard.frozen -= 1
        self.node.frozen -= 1
        node = self.node
        if node.excused.startswith("its host") and self._is_guarded(self.mono):
            node.excused = ""  # nobody else can have begun: it must behave as if nothing had been
            self.world.check_one_runs()
        node.look()
        self.guard.thawed()
        self.thawed()
        node.caught_up()
