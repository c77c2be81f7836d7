"""The failover thread with real hands: what is decided is written down, done, answered, and seen to be done."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.actions.brief_http import read_address
from keeper.actions.producer_api import ProducerApi
from keeper.runtime.book import FILE, answer_to, give_order, pause_here
from keeper.runtime.clock import Clock, since_boot
from tests.failover.test_guard import guards
from tests.peers.ask import eventually
from tests.runtime.handing import MISSED, SIGNED, TERMS, scene, script

RESUME = 'curl -s -X POST "$KEEPER_API/v1/producer/resume"'


@pytest.fixture(autouse=True)
def no_guard_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    for pid in guards(tmp_path / "state"):
        os.kill(pid, signal.SIGKILL)


def test_a_standby_takes_over_when_the_evidence_is_there(tmp_path: Path) -> None:
    """The lease, the guard, the resume, each written down before; then a planned switch away, verified."""
    with scene(tmp_path) as one:
        one.await_state("standby")
        eventually(lambda: "our producer missed 0 of" in one.reconciler.status.get("why_not", ""), "a reason")
        assert one.store.asked == 0
        one.chain = MISSED
        one.await_state("producing")
        assert one.paused() is False
        assert [produces for produces, _ in one.changes] == [True]
        told = one.told()
        assert told.index("ask for the lease") < told.index("resume the node, epoch 1") < told.index("takeover: b prod")
        one.chain = SIGNED
        one.store.wanted = "a"
        one.store.hosts.append("a")
        one.await_state("standby")
        assert one.paused() is True
        eventually(lambda: not one.store.holder, "the lease to be given back")
        assert "switch: b produces no more: a switch to a is wanted" in one.told(), "planned: no reason to rest"


def test_a_node_that_runs_without_the_right_is_paused_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, TERMS, "loud") as one:
        one.await_state("standby")
        assert one.paused() is True
        assert "the node is not paused and has no right to produce" in one.told()


def test_a_lease_that_cannot_be_renewed_stops_the_node_in_time(tmp_path: Path) -> None:
    """Paused before the lease can end elsewhere."""
    with scene(tmp_path) as one:
        one.chain = MISSED
        one.await_state("producing")
        one.store.down = "no answer from etcd"
        one.await_state("standby")
        assert one.paused() is True
        assert since_boot() < one.store.ends
        assert "the lease was not renewed" in one.told()


def test_a_keeper_that_ends_leaves_the_guard_to_stop_the_node(tmp_path: Path) -> None:
    """Nobody renews any more: fenced before the lease ends."""
    with scene(tmp_path) as one:
        one.chain = MISSED
        one.await_state("producing")
        ends = one.store.ends
        one.stop()
        eventually(one.paused, "the guard to pause the node", 10)
        assert since_boot() < ends + 1.0


def test_a_script_that_takes_over_in_place_of_the_api(tmp_path: Path) -> None:
    """Though it prints a hundred megabytes: only the end of it is kept."""
    loud = script(tmp_path, "takeover", f"yes | head -c 100000000\n{RESUME}")
    with scene(tmp_path, TERMS._replace(settle=3.0), scripts={"takeover": loud}) as one:
        one.chain = MISSED
        one.await_state("producing")
        assert one.paused() is False


def test_a_takeover_script_that_hangs_leaves_a_node_that_is_fenced_to_the_end(tmp_path: Path) -> None:
    """What it may have done is not known, so only the end of the process is proof."""
    slow = script(tmp_path, "takeover", "sleep 60")
    with scene(tmp_path, scripts={"takeover": slow}) as one:
        one.chain = MISSED
        eventually(lambda: not one.node.program.running(), "the node to be killed", 15)
        one.await_state("standby")
        assert "did not end in time and was killed" in one.told()
        assert "kill the node" in one.told()


def test_a_takeover_script_that_succeeds_without_effect_is_not_believed(tmp_path: Path) -> None:
    """Not seen un-paused: stepped down, and it rests."""
    idle = script(tmp_path, "takeover", "exit 0")
    with scene(tmp_path, scripts={"takeover": idle}) as one:
        one.chain = MISSED
        eventually(lambda: "the node is not seen to be resumed" in one.told(), "it to be noticed", 15)
        one.await_state("standby")
        assert one.paused() is True
        assert one.reconciler.status["changes"]["not_resumed"] == 1


def test_a_takeover_script_that_fails_did_nothing(tmp_path: Path) -> None:
    bad = script(tmp_path, "takeover", "echo no key; exit 3")
    with scene(tmp_path, scripts={"takeover": bad}) as one:
        one.chain = MISSED
        eventually(lambda: "ended with 3: no key" in one.told(), "the script's words", 15)
        one.await_state("standby")
        assert "kill" not in one.told()


def test_a_node_that_stays_paused_although_it_says_ok_is_told_as_springs_pause(tmp_path: Path) -> None:
    with scene(tmp_path, TERMS, "paused", "stubborn") as one:
        one.chain = MISSED
        eventually(lambda: "Spring pauses again while it gets no votes" in one.told(), "the sentence", 15)
        one.await_state("standby")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("echo not tonight; exit 1", "hook ended with 1: not tonight"),
        ("sleep 60", "hook did not end in time and was killed"),
    ],
)
def test_a_veto_of_the_site_holds(tmp_path: Path, text: str, sentence: str) -> None:
    """Nothing is resumed, the lease goes back, and it is asked again only after the rest."""
    hook = script(tmp_path, "hook", text)
    with scene(tmp_path, TERMS._replace(hook=True), scripts={"pre_takeover": hook}) as one:
        one.chain = MISSED
        eventually(lambda: sentence in one.told(), "the veto", 15)
        one.await_state("standby")
        eventually(lambda: not one.store.holder, "the lease to be given back")
        assert one.paused() is True
        eventually(lambda: "pre_takeover vetoed, it is asked again" in one.reconciler.status["why_not"], "the reason")
        assert one.told().count("run pre_takeover") == 1


def test_other_scripts_are_told_and_hold_nothing_up(tmp_path: Path) -> None:
    """Each once an epoch, with what it is about; one that hangs delays nothing."""
    notes = tmp_path / "notes"
    note = script(tmp_path, "note", f'echo "$KEEPER_ACTION $KEEPER_EPOCH $KEEPER_HOST" >> {notes}\nsleep 60')
    names = ("post_takeover", "pre_step_down", "post_step_down")
    with scene(tmp_path, scripts=dict.fromkeys(names, note)) as one:
        one.chain = MISSED
        one.await_state("producing")
        order = give_order(one.directory, "step-down", "alice", "", Clock().wall())
        one.await_state("standby", 5)
        eventually(lambda: answer_to(one.directory, order), "the answer")
        assert answer_to(one.directory, order) == "done: b is paused"
        wanted = [f"{name} 1 b" for name in names]
        eventually(lambda: notes.exists() and notes.read_text().splitlines() == wanted, "all notes", 10)


def test_without_the_journal_nothing_is_begun_and_everything_is_stopped(tmp_path: Path) -> None:
    """A disk that takes nothing: a standby stays one, and a node that runs is paused all the same."""
    with scene(tmp_path, TERMS, "loud") as one:
        one.await_state("standby")
        disk = sqlite3.connect(one.directory / FILE, isolation_level=None)
        disk.execute("BEGIN IMMEDIATE")
        one.chain = MISSED
        eventually(lambda: "cannot be written" in " ".join(one.reconciler.status["troubles"]), "the trouble")
        asked = one.store.asked
        ProducerApi(read_address(one.node.url), since_boot).resume(1.0)  # somebody, past keeper
        eventually(one.paused, "it to be paused", 5)
        assert one.store.asked == asked
        disk.execute("ROLLBACK")
        one.await_state("producing", 20)


def test_a_person_pauses_automation_and_orders_what_cannot_be(tmp_path: Path) -> None:
    """Told what speaks against it; and that another has the lease."""
    with scene(tmp_path) as one:
        one.await_state("standby")
        pause_here(one.directory, "new kernel")
        one.chain = MISSED
        one.await_state("suspended")
        pause_here(one.directory, "")
        one.store.holder, one.store.ends = "a", since_boot() + 3600
        order = give_order(one.directory, "takeover", "alice", "", Clock().wall())
        eventually(lambda: answer_to(one.directory, order), "the answer", 20)
        said = answer_to(one.directory, order) or ""
        assert said == "not done: a has the lease; `keeper failover switch --to b` asks for it"
        number = give_order(one.directory, "dance", "alice", "", Clock().wall())
        eventually(lambda: answer_to(one.directory, number), "the answer")
        assert answer_to(one.directory, number) == "this keeper knows no order 'dance'"


def test_without_a_lease_it_listens_and_takes_over(tmp_path: Path) -> None:
    """And steps down when it hears another sign as us."""
    with scene(tmp_path, TERMS._replace(lease=False, windows=2)) as one:
        one.await_state("standby")
        one.chain = MISSED
        one.await_state("producing")
        assert one.paused() is False
        one.chain = MISSED._replace(elsewhere=0.1)
        one.await_state("standby")
        assert "somebody else signs as us" in one.told()
