"""`keeper undelivered` beside a keeper's database: what it shows, what it writes, and that it changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from keeper.cli import main
from keeper.delivery.packet import Packet, packets
from keeper.delivery.parcel import Change, Parcel, Stand
from keeper.runtime.store import FILE, Store
from tests.actions.owed import CHAT, owed
from tests.delivery.statistics_server import IDL, StatisticsServer

NOW = 1_700_000_000.0


def a(number: int, stand: Stand, outcome: str | None = "rejected", why: str = "", events: int = 3) -> Parcel:
    made = owed(number).parcel._replace(stand=stand, outcome=outcome, events=events, why=why, at=NOW + number)  # type: ignore[arg-type]
    return made._replace(code=None if outcome in (None, "unanswered") else 599 if outcome == "unknown" else 500)


KEPT = [
    a(1, Stand.DUE, "rejected", "the server answered 500"),
    a(2, Stand.HELD, "unknown", "the server may have it"),
    a(3, Stand.HELD, "unanswered", "the server may have it"),
    a(4, Stand.REFUSED, "rejected", "answered 400"),
    a(5, Stand.OPEN, None),
]


class Said(NamedTuple):
    code: int
    out: str
    err: str


Undelivered = Callable[..., Said]


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """Two agents that are followed and one that is not; the daemon's store is open all the while."""
    path = tmp_path / "config.ini"
    path.write_text(
        f"[keeper]\nstate_dir = {tmp_path}/state\n"
        f"[agent:stats]\nlog = file:/tmp/x.log\nidl = {IDL}\n[agent:other]\nlog = file:/tmp/y.log\n[agent:byhand]\n"
    )
    store = Store.open(tmp_path / "state" / FILE, lambda: NOW)
    changes = [Change("stats", parcel.number, parcel, CHAT.format(parcel.number).encode()) for parcel in KEPT]
    store.commit({}, [], [], [], [], changes)
    yield path
    assert store.parcels("stats") == KEPT, "it only looks"
    store.close()


@pytest.fixture
def undelivered(config: Path, capsys: pytest.CaptureFixture[str]) -> Undelivered:
    def run(*arguments: str) -> Said:
        code = main(["undelivered", "-c", str(config), *arguments])
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return run


def test_how_many_stand_how_since_when_and_why(undelivered: Undelivered) -> None:
    """A table for each agent that is followed."""
    said = undelivered()
    assert said.code == 0
    assert said.out.splitlines() == [
        "stats: 5 packets (15 events)",
        "          1  open: sent by the agent, its answer may still come, the first of 2023-11-14T22:13:25Z",
        "          1  due: keeper sends them again when the server takes packets again, the first of "
        "2023-11-14T22:13:21Z",
        "            1  why: the server answered 500",
        "          2  held: wait for a person, the first of 2023-11-14T22:13:22Z",
        "            2  why: the server may have it",
        "          1  refused: will never be taken as they are, the first of 2023-11-14T22:13:24Z",
        "            1  why: answered 400",
        "other: 0 packets (0 events)",
    ]


def test_one_stand_of_one_agent_for_a_program(undelivered: Undelivered) -> None:
    """One JSON object a packet, without the text."""
    said = undelivered("--agent", "stats", "--stand", "held", "--json")
    found = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["agent"], one["id"], one["stand"], one["outcome"]) for one in found] == [
        ("stats", 1002, "held", "unknown"),
        ("stats", 1003, "held", "unanswered"),
    ]
    assert found[0] == {"agent": "stats", **KEPT[1]._asdict()}


def test_what_it_writes_is_what_resend_reads(undelivered: Undelivered, tmp_path: Path) -> None:
    """With times, outcomes and names; silent ones apart; and all of it arrives."""
    folder = tmp_path / "held"
    said = undelivered("--agent", "stats", "-o", str(folder))
    assert (said.code, said.err) == (0, f"5 packets are written to {folder}\n")
    found = {one.id: one for one in packets(folder) if isinstance(one, Packet)}
    assert [(one.name, one.at, one.outcome) for _, one in sorted(found.items())] == [
        ((kept.id, kept.content), kept.at, kept.outcome or "unanswered") for kept in KEPT
    ]
    assert (folder / "collected-no-response").read_text().count("\n") == 2
    with StatisticsServer() as server:
        assert main(["resend", str(folder), "--url", server.url, "--idl", str(IDL), "--work", str(tmp_path)]) == 0
        assert server.times() == {(kept.id, kept.content): 1 for kept in KEPT}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--agent", "nobody"], "there is no [agent:nobody] with a log; known are stats, other"),
        (["--agent", "byhand"], "there is no [agent:byhand] with a log; known are stats, other"),
        (["-o", "new"], "which agent? --agent stats or --agent other"),
        (["--agent", "stats", "-o", "/etc"], "/etc exists; choose another name"),
        (["--agent", "stats", "-o", "/dev/null"], "/dev/null exists; choose another name"),
        (["--agent", "stats", "-o", "/proc/new"], "cannot be made"),
    ],
)
def test_what_it_refuses(undelivered: Undelivered, arguments: list[str], problem: str) -> None:
    """Nothing is overwritten, and nothing guessed."""
    said = undelivered(*arguments)
    assert said.code == 1
    assert problem in said.err


def test_before_a_keeper_has_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to look at, and nothing is made."""
    config = tmp_path / "config.ini"
    config.write_text(f"[keeper]\nstate_dir = {tmp_path}/state\n[agent:stats]\nlog = file:/tmp/x.log\n")
    assert main(["undelivered", "-c", str(config)]) == 1
    assert "no keeper has run with this state_dir yet" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
    config.write_text("[agent:stats]\nurl = http://127.0.0.1\nwire = json\n")
    assert main(["undelivered", "-c", str(config)]) == 1
    assert "has a log that the daemon follows" in capsys.readouterr().err
