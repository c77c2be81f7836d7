"""The courier begins runs, stops them and hears what became of each packet: with a real database, ledger and server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.build import delivery_of, forms, pipeline, subjects
from keeper.config import parse
from keeper.core.batch import SourceDown, SourceUp
from keeper.delivery.delivery import Delivery
from keeper.delivery.ledger import IDS_FILE, Fate, Ledger, agent_home, made
from keeper.delivery.parcel import Change, Parcel, Stand
from keeper.pipeline import Pipeline
from keeper.runtime.clock import Clock
from keeper.runtime.courier import LOOK_PAUSE, Courier
from keeper.runtime.inbox import INBOX_CALLS, Inbox
from keeper.runtime.store import Store
from keeper.settings import Settings
from tests.actions.owed import Owed, owed, write_ledger
from tests.delivery.statistics_server import IDL, StatisticsServer
from tests.notifiers.receiver import Answer
from tests.peers.ask import eventually

NOW = Clock().now()
LOG = "stats/log"


class Desk:
    """The loop's part: it owns a pipeline and a database, and takes calls when the test lets it."""

    def __init__(self, directory: Path, url: str, *those: Owed, **options: object) -> None:
        self.directory = directory
        self.said: list[str] = []
        self.broken: list[str] = []
        self.inbox = Inbox(lambda _: None)
        self.store = Store.open(directory / "keeper.db", lambda: NOW)
        self.store.commit({}, [], [], [], [], [Change("stats", o.parcel.number, o.parcel, o.text) for o in those])
        given = {"url": url, "idl": IDL, "recovered_packets": 1, "recovered_for": "0s", **options}
        lines = [f"{name} = {value}" for name, value in given.items()]
        text = "\n".join(["[agent:stats]", "log = file:/tmp/x.log", *lines])
        self.settings: Settings = parse(text, "config", {})
        [agent] = self.settings.agents
        delivery = delivery_of(agent, None, self.store.parcels)
        [subject] = [one for one in subjects(self.settings) if one.kind == "agent"]
        form = forms(self.settings)["stats"]
        self.pipeline: Pipeline = pipeline(subject, self.settings, form, {}, lambda *_: None, NOW, delivery=delivery)
        self.pipeline.take(SourceUp(LOG, NOW), "log", NOW, 0.0)
        self.now = NOW + 3.0  # the log is believed by then
        self.pipeline.take(SourceUp(LOG, self.now), "log", self.now, 0.0)
        self.delivery.recovery.live_accepted(NOW, 0.1)
        self.courier = self.another()

    @property
    def delivery(self) -> Delivery:
        assert self.pipeline.delivery is not None
        return self.pipeline.delivery

    def another(self) -> Courier:
        """As a reload makes one."""
        [agent] = self.settings.agents
        return Courier(
            agent, str(self.directory), self.store.path, lambda: self.now, self.inbox.call, lambda _: None,
            lambda kind, subject, text: self.said.append(text), self.broken.append,
        )  # fmt: skip

    def step(self, unstored: str | None = None, *, saved: bool = True) -> None:
        self.courier.step(self.pipeline, self.now, unstored, saved=saved)

    def take(self, until: Callable[[], object], what: str) -> None:
        """Take the calls of the runs until something is so."""

        def taken() -> object:
            for call in self.inbox.take(0.0)[0]:
                call()
            return until()

        eventually(taken, what, 20)


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(url: str, *those: Owed, **options: object) -> Desk:
        made.append(Desk(tmp_path, url, *those, **options))
        return made[-1]

    yield make
    for desk in made:
        desk.courier.close("the test is over")
        desk.courier.join(5)
        desk.store.close()
        assert desk.broken == []


Desks = Callable[..., Desk]
THOSE = [owed(number) for number in range(1, 6)]


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_what_is_due_is_sent_when_it_may_and_settled(desks: Desks) -> None:
    """A run in a thread of its own; the loop hears of each packet; the journal has two lines."""
    with StatisticsServer() as server:
        desk = desks(server.url, *THOSE)
        desk.step(saved=False)
        assert not desk.delivery.running, "what a run reads must be in the database first"
        desk.step()
        assert desk.delivery.running
        desk.take(lambda: not desk.delivery.running, "the run to end")
        assert server.times() == {one.name: 1 for one in THOSE}
    assert len(desk.delivery.arrears) == 0
    assert desk.said == ["sending 5 packets (5 events) again", "sending again came through: 5 accepted"]
    assert sorted(change.number for change in desk.delivery.changes()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("reason", ["blind", "unstored", "not accepted", "held"])
def test_nothing_begins_when_it_may_not(desks: Desks, reason: str) -> None:
    """Blind, unable to remember, no proof that the server is back, or nothing that is due."""
    with StatisticsServer() as server:
        desk = desks(server.url, *THOSE)
        if reason == "blind":
            desk.pipeline.take(SourceDown(LOG, desk.now, "it is gone"), "log", desk.now, 0.0)
        elif reason == "not accepted":
            desk.delivery.recovery.live_failed("the answer 503")
        elif reason == "held":
            for parcel in list(desk.delivery.arrears):
                desk.delivery.arrears.hold(parcel.number, "a person")
        desk.step("the disk is full" if reason == "unstored" else None)
        assert (desk.delivery.running, desk.said, server.received()) == (False, [], [])


@pytest.mark.parametrize("reason", ["blind", "unstored", "not accepted"])
def test_a_run_is_stopped_when_it_must(desks: Desks, reason: str) -> None:
    """In the middle; what was in flight may end, the rest stays due, and it rests."""
    begun, go = threading.Event(), threading.Event()

    def answer(_: object) -> Answer:
        begun.set()
        go.wait(20)
        return Answer()

    with StatisticsServer(answer) as server:
        desk = desks(server.url, *THOSE)
        desk.step()
        assert begun.wait(20)
        if reason == "blind":
            desk.pipeline.take(SourceDown(LOG, desk.now, "it is gone"), "log", desk.now, 0.0)
        elif reason == "not accepted":
            desk.delivery.recovery.live_failed("the answer 503")
        desk.step("the disk is full" if reason == "unstored" else None)
        go.set()
        desk.take(lambda: not desk.delivery.running, "the run to end")
        assert len(server.received()) == 1
    assert desk.delivery.arrears.totals(Stand.DUE).packets == 4
    assert desk.delivery.recovery.resting_until == desk.now + 60
    assert desk.said[-1].startswith("sending again was ended, 1 accepted: ")


def test_a_run_takes_no_more_than_the_budget(desks: Desks) -> None:
    """The oldest; the next hour takes the rest."""
    with StatisticsServer() as server:
        desk = desks(server.url, *THOSE, budget=3)
        desk.step()
        desk.take(lambda: not desk.delivery.running, "the run to end")
        desk.step()
        assert not desk.delivery.running
        assert set(server.times()) == {one.name for one in THOSE[:3]}


def test_however_much_was_delivered_by_hand_at_once_is_heard_of(desks: Desks) -> None:
    """While the loop is busy, more packets are settled than calls may wait for it."""
    those = [owed(number) for number in range(1, INBOX_CALLS * 2)]
    another = owed(INBOX_CALLS * 2)
    desk = desks("http://127.0.0.1:9", *those, another)
    for parcel in list(desk.delivery.arrears):
        desk.delivery.arrears.hold(parcel.number, "a person")
    desk.step()
    assert not threads("stats/look"), "without a ledger there is nothing to look at"
    desk.inbox.call(lambda: desk.said.append("a signal"))
    write_ledger(agent_home(str(desk.directory), "stats"), *[(one, Fate.DELIVERED) for one in those])
    desk.step()
    eventually(lambda: not threads("stats/look"), "the look to end", 60)
    desk.take(lambda: list(desk.delivery.arrears) == [desk.delivery.arrears[another.parcel.number]], "the others")
    assert desk.said == ["a signal"], "nobody else's call fell out"
    desk.step()
    assert not threads("stats/look"), "the same ledger is not looked at twice"


def test_a_run_from_before_a_reload_is_waited_for(desks: Desks) -> None:
    """The new courier neither sends beside it nor takes its running for a permission; its end counts as any other."""
    begun = threading.Event()

    def answer(_: object) -> Answer:
        begun.set()
        return Answer(manner="hang")

    with StatisticsServer(answer) as server:
        desk = desks(server.url, *THOSE, request_timeout="100s")
        desk.step()
        assert begun.wait(20)
        desk.courier.close("the settings of its agent changed")
        desk.courier.join(0.1)
        desk.courier = desk.another()
        desk.step()
        assert desk.said == ["sending 5 packets (5 events) again"]
        desk.take(lambda: not desk.delivery.running, "the old run to end")
        desk.step()
        assert len(server.received()) == 1
    assert desk.said[1:] == ["sending again was ended, nothing was sent: the settings of its agent changed"]
    assert desk.delivery.arrears.totals(Stand.DUE).packets == 5


def test_a_ledger_in_use_puts_a_run_off_and_is_no_word_on_the_server(desks: Desks) -> None:
    """A person's `keeper reconcile` or `resend` has it: what the live traffic showed still counts, nothing adds up."""
    with StatisticsServer() as server:
        desk = desks(server.url, *THOSE)
        folder = made(agent_home(str(desk.directory), "stats"))
        for _ in range(3):
            ledger = Ledger.open(folder, lambda: "now")
            desk.step()
            desk.take(lambda: not desk.delivery.running, "the run to end")
            ledger.close()
            assert "in use by another keeper" in desk.said[-1]
            assert desk.delivery.recovery.resting_until == desk.now + 60
            desk.step()
            assert not desk.delivery.running
            desk.now += 60
            desk.pipeline.take(SourceUp(LOG, desk.now), "log", desk.now, 0.0)
        desk.step()
        desk.take(lambda: not desk.delivery.running, "the run to end")
        assert server.times() == {one.name: 1 for one in THOSE}
    assert desk.said[-1] == "sending again came through: 5 accepted"


def test_a_look_that_failed_is_repeated_though_nothing_changed(desks: Desks) -> None:
    """What a person found out is not forgotten because the ledger could not be read for a moment."""
    desk = desks("http://127.0.0.1:9", *THOSE)
    for parcel in list(desk.delivery.arrears):
        desk.delivery.arrears.hold(parcel.number, "a person")
    folder = agent_home(str(desk.directory), "stats")
    write_ledger(folder, *[(one, Fate.DELIVERED) for one in THOSE])
    (folder / IDS_FILE).unlink()
    (folder / IDS_FILE).mkdir()
    desk.step()
    eventually(lambda: not threads("stats/look"), "the look to end", 60)
    desk.take(lambda: True, "its end")
    assert len(desk.delivery.arrears) == 5
    (folder / IDS_FILE).rmdir()
    desk.now += LOOK_PAUSE
    desk.step()
    desk.take(lambda: len(desk.delivery.arrears) == 0, "what the ledger says")


def test_without_an_address_it_says_so(desks: Desks) -> None:
    """Following the log alone is allowed."""
    desk = desks("http://127.0.0.1:9", *THOSE)
    [agent] = desk.settings.agents
    desk.courier.settings = type(agent)(name="stats", log=agent.log)
    desk.step()
    assert desk.delivery.why_not(desk.now) == "[agent:stats] has neither url nor script"


def test_the_texts_of_a_restart_are_those_that_are_sent(desks: Desks) -> None:
    """A parcel of the database, as a courier of the next keeper reads it beside the writer."""
    parcel: Parcel = THOSE[0].parcel
    with StatisticsServer() as server:
        desk = desks(server.url, THOSE[0])
        desk.store.commit({}, [], [], [], [], [Change("stats", 1, parcel._replace(tries=1), None)])
        desk.step()
        desk.take(lambda: not desk.delivery.running, "the run to end")
        [call] = server.calls()
    assert (call.method, [event.auid for event in call.events]) == ("ChatMessages", [1])
