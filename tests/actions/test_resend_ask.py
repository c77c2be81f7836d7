"""A run of sending again that asks the receiver first: it sends what is lost, and no packet that may be there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.actions.resend import Resend, settle
from keeper.delivery.ledger import Fate
from keeper.delivery.outcome import Result
from keeper.delivery.parcel import Stand
from keeper.receiver.inputs.thrift import thrift_input
from keeper.runtime.clock import Clock
from tests.actions.owed import Heard, Owed, fates, owed, said, settings, write_ledger
from tests.delivery.statistics_server import IDL
from tests.receiver.desk import Desk

KNOWN, LOST, SENT = owed(1, outcome="unknown"), owed(2, outcome="unknown"), owed(3, outcome="rejected")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Desk(tmp_path / "store.db", {"application/x-thrift": thrift_input(IDL)}) as desk:
        assert run(desk, tmp_path / "before", KNOWN, policy="resend")[0] == ""
        yield desk


def run(desk: Desk, folder: Path, *those: Owed, policy: str = "ask") -> tuple[str, Heard]:
    heard = Heard()
    agent = settings(desk.url, confirm=desk.url, unknown_outcome=policy)
    texts = {one.parcel.number: one.text for one in those}
    return Resend(agent, folder, [one.parcel for one in those], texts.get, Clock().now, said, heard).run(), heard


def test_what_the_receiver_has_is_settled_and_what_it_has_not_got_is_sent(tmp_path: Path, desk: Desk) -> None:
    """Both are known by then; what was rejected need not be asked for."""
    why, heard = run(desk, tmp_path, KNOWN, LOST, SENT)
    assert why == ""
    sent = (Result.ACCEPTED, True)
    assert heard.results() == {1: (Result.ACCEPTED, False), 2: sent, 3: sent}
    assert fates(tmp_path, KNOWN, LOST, SENT) == [Fate.DELIVERED] * 3
    [(_, body, _)] = desk.asked
    assert body.count(b"],[") == 1, "two are asked for"


def test_what_the_receiver_does_not_tell_yet_stays_due(tmp_path: Path, desk: Desk) -> None:
    """It has not stored all that it accepted: a packet it may have is left for the next run, and nobody is told."""
    desk.complete = False
    why, heard = run(desk, tmp_path, KNOWN, LOST, SENT)
    assert why == "what the receiver has is not known: the receiver has accepted more than it has stored; ask again"
    assert heard.results() == {1: (Result.ACCEPTED, False), 3: (Result.ACCEPTED, True)}
    assert fates(tmp_path, LOST) == [None]


def test_a_receiver_that_cannot_be_asked_holds_up_only_what_is_in_doubt(tmp_path: Path, desk: Desk) -> None:
    """The reason is the run's."""
    desk.status = 401
    why, heard = run(desk, tmp_path, LOST, SENT)
    assert why.startswith(f"what the receiver has is not known: the receiver at {desk.url} answered 401")
    assert heard.results() == {3: (Result.ACCEPTED, True)}


def test_what_a_person_asked_for_is_told_to_the_daemon(tmp_path: Path) -> None:
    """The ledger says that it is lost: it is told of those that are held."""
    held = LOST._replace(parcel=LOST.parcel._replace(stand=Stand.HELD))
    write_ledger(tmp_path, (held, Fate.LOST), (SENT, Fate.LOST), (KNOWN, Fate.DELIVERED))
    heard = Heard()
    settle(tmp_path, [held.parcel, SENT.parcel, KNOWN.parcel], said, heard)
    assert heard.results() == {2: (Result.FAILED, False), 1: (Result.ACCEPTED, False)}
