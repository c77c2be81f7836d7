"""The failover thread: looks, decides by the table of roles, writes down what it is about to do, has it done.

    node, store, guard, scripts ──answers──► here ──► book (on the disk) ──► hands
    loop ──what the chain tells──►                └──► loop: journal, metrics, page

It is the only thread that owns the state of the role. Nothing in it waits but for its next look, which comes every
`tick` and with every answer.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from typing import Any, NamedTuple

from keeper.core.source import Now, Wait
from keeper.failover.actions import WRITTEN, Answer, Deed, Journal, Outcome, Said
from keeper.failover.conditions import Moment, why_not
from keeper.failover.evidence import speaking_against
from keeper.failover.facts import Facts
from keeper.failover.observed import (
    ChainLook,
    NodeSample,
    Observed,
    Stands,
    StoreFailed,
    StoreLook,
    fuse_trouble,
)
from keeper.failover.roles import step
from keeper.failover.shown import PRODUCES, deed_in_words, status_of
from keeper.failover.state import NEVER, State, kept, restored
from keeper.failover.terms import Terms
from keeper.failover.turns import asked_for_itself, planned_step_down, planned_takeover
from keeper.runtime.book import Book, Drill, Order
from keeper.runtime.book import Deed as Line
from keeper.runtime.hands import Hands, Message, Told

log = logging.getLogger("keeper")

TAKEN_OVER = "takeover"  # the kind of line that counts for the fuse
STEPPED_DOWN = "step-down"
SWITCHED = "switch"  # planned, so there is nothing to rest from
ORDER_WITHIN = 30.0  # seconds an order is tried for
WAITING = 64  # messages that may wait until looks at the chain are left out; the lanes bound the others
COUNT_EVERY = 5.0  # seconds between two counts of takeovers
REFUSED_AFTER = 4.0  # seconds of an order after which a refusal of the store is its answer


class Tell(NamedTuple):
    """How the thread tells the loop: a line for journal and log, a change of the role, how it stands."""

    line: Callable[[str, str], None]
    changed: Callable[[bool, str], None]
    ask_chain: Callable[[], None]


class Reconciler:
    """`wall` gives seconds since the Unix epoch, `now` since boot. `status` is a finished value, swapped in whole."""

    def __init__(
        self, terms: Terms, configuration: str, hands: Callable[[Callable[[Message], None]], Hands], book: Book,
        tell: Tell, now: Now, wall: Now, fuse_window: float,
    ) -> None:  # fmt: skip
        self.terms = terms
        self.observed = Observed(terms, configuration, now())
        self._inbox: queue.SimpleQueue[Message | ChainLook] = queue.SimpleQueue()
        self._hands = hands(self._inbox.put)
        self._book = book
        self._tell = tell
        self._now = now
        self._wall = wall
        self._fuse_window = fuse_window
        self.state = restored(book.kept, now())
        self._answers: list[Answer] = []
        self._stepped_at = self._last_step()
        self._order: Order | None = None
        self._order_until = NEVER
        self._takeovers = 0
        self._counted_at = NEVER
        self._chain_asked_at = NEVER
        self._said_why = ""
        self._claimed_at = NEVER
        self._asked = False  # the wish for this host, where there is one, is its own
        self._by_itself = False  # the last takeover was not planned
        self._drills = book.drills()
        self._changes = {"took_over": 0, "stepped_down": 0, "not_resumed": 0, "fence_failed": 0}
        self.status: dict[str, Any] = {}

    # -- from other threads ----------------------------------------------------------------------------------------

    def heard_chain(self, look: ChainLook) -> None:
        """A thread that hangs needs none: it asks again when it goes on, and what waits for it stays bounded."""
        if self._inbox.qsize() < WAITING:
            self._inbox.put(look)

    def drills(self) -> list[Drill]:
        """Newest last, as they were when the thread last looked."""
        return self._drills

    # -- the thread ------------------------------------------------------------------------------------------------

    def run(self, wait: Wait) -> None:
        self._hands.start()
        due = self._now()
        while not wait(0):
            heard = self._hear(max(0.0, due - self._now()))
            if self._now() >= due:
                due = self._now() + self.terms.tick
                self._look_around()
            elif not heard:
                continue
            self.look()

    def stop(self) -> None:
        self._hands.stop()

    def join(self, seconds: float) -> None:
        self._hands.join(seconds)
        self._book.close()

    def _hear(self, seconds: float) -> bool:
        """Take everything that has come, after waiting for the first. False when nothing came."""
        try:
            message = self._inbox.get(timeout=seconds) if seconds > 0 else self._inbox.get_nowait()
            while True:
                self._take(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return bool(self._answers) or seconds <= 0
        return True

    def _take(self, message: Message | ChainLook) -> None:
        if isinstance(message, Answer):
            self._answers.append(message)
        elif isinstance(message, NodeSample):
            self.observed.heard_node(message)
        elif isinstance(message, StoreLook):
            self.observed.heard_store(message.seen, message.asked_at)
        elif isinstance(message, StoreFailed):
            self.observed.store_failed(message.why)
        elif isinstance(message, Told):
            self._line(message.kind, message.text)
        else:
            self.observed.heard_chain(message)
            self._chain_asked_at = NEVER

    def _look_around(self) -> None:
        now = self._now()
        self._hands.look_around()
        if now - self._chain_asked_at > 2.0:  # one question at a time; one that was lost is asked again
            self._chain_asked_at = now
            self._tell.ask_chain()
        self._take_orders(now)
        if now - self._counted_at >= COUNT_EVERY:
            self._counted_at = now
            self._takeovers = self._book.count(TAKEN_OVER, self._wall() - self._fuse_window)
            self._drills = self._book.drills()
        if self._book.why:
            self._book.write(kept(self.state), ())

    # -- one look --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        now = self._now()
        before = self.state
        answers, self._answers = tuple(self._answers), []
        facts = self.observed.facts(self._stands(now), answers, now)
        state, actions = step(before, facts, now, self.terms)
        self._hands.why = state.why
        self._asked = asked_for_itself(self._asked, facts, actions, self.terms)
        actions = tuple(action for action in actions if not self._hands.is_idle(action))
        lines = [self._journal(action.deed) for action in actions if isinstance(action, Journal)]
        lines += self._role_lines(before, state, facts, now)
        written = self._book.write(kept(state), lines)
        self.state = state
        for action in actions:
            if isinstance(action, WRITTEN) and not written:
                self._answers.append(Answer(action, Outcome.FAILED))
            elif not isinstance(action, Journal | Said):
                self._hands.do(action)
        for line in lines:
            self._shout(line)
        self._settle_order(facts, now)
        self._say_why_not(facts, now)
        self.status = self._status(facts, now)

    def _stands(self, now: float) -> Stands:
        rest = self.terms.cool_down - (now - self._stepped_at)
        return Stands(
            gone=self._hands.gone(self.observed.sample),
            journal=not self._book.why,
            cooled=max(0.0, rest),
            takeovers=self._takeovers,
            order=self._order.what if self._order is not None else "",
            paused_here=self._book.paused,
        )

    def _journal(self, deed: Deed) -> Line:
        if isinstance(deed, Said):
            return Line(self._wall(), "state", f"{deed.state}: {deed.sentence}")
        return Line(self._wall(), "deed", deed_in_words(deed))

    def _role_lines(self, before: State, state: State, facts: Facts, now: float) -> list[Line]:
        """The two lines that people and the fuse look for: took over, stepped down."""
        if state.name == before.name:
            return []
        lines = []
        if before.name == "taking_over" and state.name != "producing":
            self._changes["not_resumed"] += 1
        if state.name == "fence_failed":
            self._changes["fence_failed"] += 1
        if state.name in ("claiming", "verifying") and before.name == "standby":
            self._claimed_at = now
        if state.name == "taking_over":
            self._by_itself = not planned_takeover(self._asked, facts, self.terms)
        if state.name == "producing":
            taken_over = before.name == "taking_over"
            how = "goes on" if not taken_over else TAKEN_OVER if self._by_itself else "ordered takeover"
            if how == TAKEN_OVER:
                self._stepped_at = now
            elif taken_over:  # planned: the whole way was walked on this host
                self._book.drilled(Drill(self._wall(), "takeover", True, now - self._claimed_at, state.why))
            lines.append(Line(self._wall(), how, f"{self.terms.host} produces: {state.why}"))
            self._counted_at = NEVER
            self._changes["took_over"] += taken_over
            self._tell.changed(True, state.why)  # what it is about is in the name
        elif before.name in PRODUCES:
            planned = planned_step_down(facts, self.terms)
            if not planned:
                self._stepped_at = now
            if before.name == "producing":
                self._changes["stepped_down"] += 1
                kind = SWITCHED if planned else STEPPED_DOWN
                lines.append(Line(self._wall(), kind, f"{self.terms.host} produces no more: {state.why}"))
                self._tell.changed(False, state.why)  # as above
        return lines

    def _last_step(self) -> float:
        """When this host last stepped, over restarts: the rest goes on."""
        last = self._book.last_deed((TAKEN_OVER, STEPPED_DOWN))
        return NEVER if last is None else self._now() - max(0.0, self._wall() - last.at)

    def _line(self, kind: str, text: str) -> None:
        line = Line(self._wall(), kind, text)
        self._book.write(kept(self.state), [line])
        self._shout(line)

    def _shout(self, line: Line) -> None:
        log.log(logging.INFO if line.kind == "deed" else logging.WARNING, "failover=%s text=%r", line.kind, line.text)
        if line.kind != "deed":
            self._tell.line(line.kind, line.text)

    # -- what a person ordered -------------------------------------------------------------------------------------

    def _take_orders(self, now: float) -> None:
        for order in self._book.orders(self._wall()):
            if self._order is not None and order.id == self._order.id:
                continue
            if self._order is not None:
                self._book.answer(self._order, "another order came")
            self._line("order", f"{order.who} orders {order.what}{f': {order.why}' if order.why else ''}")
            if order.what not in ("takeover", "step-down"):
                self._book.answer(order, f"this keeper knows no order {order.what!r}")
                continue
            self._order, self._order_until = order, now + ORDER_WITHIN

    def _settle_order(self, facts: Facts, now: float) -> None:
        """Answer the order as soon as it is known what comes of it."""
        order = self._order
        if order is None:
            return
        began = self._order_until - ORDER_WITHIN
        done = ""
        if order.what == "takeover" and self.state.name == "producing":
            done = f"done: {self.terms.host} produces"
        elif order.what == "step-down" and self.state.name in ("standby", "suspended"):
            done = f"done: {self.terms.host} is paused"
        elif order.what == "takeover" and self._is_refused(began, now):
            done = f"not done: {self.state.refused}; `keeper failover switch --to {self.terms.host}` asks for it"
        elif now > self._order_until:
            moment = Moment(self.state, facts, now, self.terms)
            done = f"not done within {ORDER_WITHIN:.0f} s: {why_not(moment) or self.state.why}"
        if done:
            self._book.answer(order, done)
            self._order = None
            self._line("order", f"{order.what}: {done}")

    def _is_refused(self, began: float, now: float) -> bool:
        """The store has said no to what was asked since the order came."""
        return bool(self.state.refused) and self.state.tried_at >= began and now - began > REFUSED_AFTER

    # -- what is shown ---------------------------------------------------------------------------------------------

    def _say_why_not(self, facts: Facts, now: float) -> None:
        """In the log once for each condition, not for each number in it."""
        if self.state.name not in ("standby", "suspended"):
            self._said_why = ""
            return
        against = speaking_against(facts, self.terms)
        code = against[0][0] if against else ""
        if code != self._said_why:
            self._said_why = code
            why = why_not(Moment(self.state, facts, now, self.terms))
            log.info("failover=why_not reason=%r", why or "nothing speaks against taking over")

    def _status(self, facts: Facts, now: float) -> dict[str, Any]:
        known = status_of(Moment(self.state, facts, now, self.terms), self.observed.seen)
        return {
            **known,
            "changes": dict(self._changes),
            "refused": self._hands.refused,
            "troubles": self._troubles(now),
        }

    def _troubles(self, now: float) -> list[str]:
        found = []
        if self.state.name == "fence_failed":
            found.append(f"the node could neither be paused nor killed: stop it by hand now ({self.state.why})")
        if self._hands.guard_trouble:
            found.append(self._hands.guard_trouble)
        if self._book.why:
            found.append(self._book.why)
        if fuse := fuse_trouble(self._takeovers, self.terms):
            found.append(fuse)
        return found + self.observed.troubles(now)
