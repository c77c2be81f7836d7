"""`keeper failover`: what a person reads, what an order would do, and what is said where it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keeper.cli import main
from keeper.commands.failover import show_status
from keeper.commands.failover_order import explained, why_not_switch
from keeper.failover.lease import Seen
from keeper.page_failover import render_failover
from keeper.runtime.book import Book, Deed, Drill, add_drill

STATUS: dict[str, Any] = {
    "host": "B",
    "role": "B",
    "state": "standby",
    "since": "2026-11-26T11:01:05.000Z",
    "why": "the node is paused and signs nothing",
    "why_not": "our producer missed 0 of 1 window",
    "against": [("missed", "our producer missed 0 of 1 window"), ("cooled", "it rests for 48 s more")],
    "wanted": False,
    "observed": False,
    "lease": True,
    "lease_until": None,
    "holder": "A",
    "epoch": 23,
    "hosts": {"A": "A", "B": "B"},
    "automation_paused": "",
    "takeovers": 1,
    "fuse": 3,
    "last_drill": None,
    "troubles": [],
    "promise": "at most one node",
}


def config(directory: Path, failover: str = "[failover]\n") -> Path:
    path = directory / "config.ini"
    path.write_text(
        f"[keeper]\nname = B\nrole = B\nstate_dir = {directory}\nlisten = 127.0.0.1:1\n"
        f"[node]\nproducer = eosstore\nlog = file:/var/log/nodeos.log\napi = http://127.0.0.1:2\n{failover}"
    )
    return path


def test_a_status_says_who_why_and_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    """0 while all is well, 3 when a person must look; and the same for machines."""
    assert show_status({"failover": STATUS}, as_json=False) == 0
    said = capsys.readouterr().out
    for words in (
        "B role B: standby since 2026-11-26T11:01:05",
        "not yet     our producer missed 0 of 1 window\n              it rests for 48 s more",
        "lease       held by A; epoch 23",
        "hosts       A (A), B (B)",
        "automation  on; 1 of 3 takeovers until the fuse blows",
        "last drill  never",
        "promise: at most one node",
    ):
        assert words in said
    assert show_status({"failover": {**STATUS, "troubles": ["two are called B"]}}, as_json=False) == 3
    assert "look        two are called B" in capsys.readouterr().out
    assert show_status({"failover": STATUS}, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["holder"] == "A"


def test_the_page_shows_the_same() -> None:
    page = render_failover({**STATUS, "troubles": ["<two>"], "holder": ""})
    for words in ("who produces: B role B", "nobody, epoch 23", "it rests for 48 s more", "&lt;two&gt;"):
        assert words in page
    assert render_failover({}) == ""


def test_an_order_is_explained_before_it_is_given() -> None:
    """What stands in its way, or what it would do."""
    assert "`keeper failover switch --to B` asks for it" in explained("takeover", STATUS)
    free = {**STATUS, "holder": "", "against": [("missed", "x"), ("cooled", "y"), ("fuse", "z")]}
    assert explained("takeover", free) == "B would take the lease, arm the guard, resume its node and verify it"
    ill = {**free, "against": [("synced", "the head of this node is 1 min old")]}
    assert explained("takeover", ill) == "B would not take over: the head of this node is 1 min old"
    alone = {**free, "lease": False}
    assert explained("takeover", alone).startswith("B would not take over: x; y; z")
    assert "nothing to step down from" in explained("step-down", STATUS)
    assert "give the lease back" in explained("step-down", {**STATUS, "state": "producing"})
    assert explained("takeover", {**STATUS, "state": "producing"}) == "B produces already"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"hashes": {"A": "1"}}, "no keeper called B is there; known are A"),
        ({"roles": {"A": "A", "B": "F"}}, "B has role F: it only watches"),
        ({"holder": "B"}, "B has the lease already"),
        ({"holder": ""}, "nobody has the lease: run `keeper failover takeover` on B"),
        ({"paused": "new kernel"}, "automation is paused: new kernel"),
        ({"hashes": {"A": "1", "B": "2"}}, "the hosts differ in their configuration; see keeper failover status"),
    ],
)
def test_why_a_switch_cannot_begin(change: dict[str, Any], why: str) -> None:
    seen = Seen("A", 7, "", "", {"A": "1", "B": "1"}, {"A": "A", "B": "B"})._replace(**change)
    assert why_not_switch(seen, "B") == why


def test_without_a_lease_automation_is_paused_on_this_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And goes on again; history tells what was decided, with the drills."""
    path = str(config(tmp_path))
    assert main(["failover", "pause", "-c", path, "--why", "new kernel"]) == 1
    assert "no keeper with a [failover] section has run" in capsys.readouterr().err
    book = Book.open(tmp_path)
    assert main(["failover", "pause", "-c", path, "--why", "new kernel"]) == 0
    book.orders(0.0)
    assert book.paused == "new kernel"
    assert main(["failover", "resume", "-c", path]) == 0
    book.orders(0.0)
    assert book.paused == ""
    book.write(book.kept, [Deed(1.0, "state", "standby: why")])
    add_drill(tmp_path, Drill(2.0, "switch", False, 7.5, "declined"))
    capsys.readouterr()
    assert main(["failover", "history", "-c", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1970-01-01T00:00:01Z  state            standby: why",
        "1970-01-01T00:00:02Z  drill            switch, BAD, 7.5 s: declined",
    ]
    book.close()


def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No section, no keeper, no lease."""
    assert main(["failover", "status", "-c", str(config(tmp_path, ""))]) == 1
    assert "has no [failover] section" in capsys.readouterr().err
    path = str(config(tmp_path))
    assert main(["failover", "takeover", "-c", path]) == 1
    assert "no keeper answers at 127.0.0.1:1" in capsys.readouterr().err
    assert main(["failover", "switch", "--to", "A", "-c", path]) == 1
    assert "this needs a lease" in capsys.readouterr().err
    Book.open(tmp_path).close()
    assert main(["failover", "drill", "-c", path]) == 1
    said = capsys.readouterr().out
    assert "keeper itself: BAD: no keeper answers" in said
    assert "producer API: BAD: nobody listens" in said
