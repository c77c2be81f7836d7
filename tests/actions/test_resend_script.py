"""Sending again by a program of the operator's: what it is given, whom its words are believed about, and what is
thought when it fails."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from keeper.actions.resend_script import ScriptResend
from keeper.delivery.ledger import Fate, Ledger
from keeper.delivery.outcome import Result
from keeper.delivery.packet import Packet, packets
from keeper.errors import InUse
from keeper.runtime.clock import Clock
from tests.actions.owed import Heard, Owed, fates, owed, said, settings, write_ledger
from tests.actions.program import script
from tests.peers.ask import eventually

A, B, C = owed(1), owed(2, outcome="unknown"), owed(3, outcome="unanswered")


class Site:
    """An agent whose packets `program` sends; its folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / "agents" / "stats"

    def resend(self, body: str, those: Sequence[Owed], heard: Heard, **options: object) -> ScriptResend:
        program = script(self.directory / "send", body)
        texts = {one.parcel.number: one.text for one in those}
        agent = settings("", script=program, **options)
        return ScriptResend(
            agent, self.folder, [one.parcel for one in those], texts.get, Clock().now, said, heard
        )  # fmt: skip

    def run(self, body: str, *those: Owed, **options: object) -> tuple[str, Heard]:
        heard = Heard()
        return self.resend(body, those, heard, **options).run(), heard


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


ALL = "cut -d: -f1 $1/collected-unsent; sed 's/^[^ ]* //; s/:.*//' $1/collected-no-response"


def test_it_gets_a_folder_like_that_of_collect_and_names_what_it_delivered(site: Site) -> None:
    """Every reader of such folders reads it, outcomes and times included; the ledger has `sending` meanwhile."""
    copy, ledger = site.directory / "copy", site.folder / "resend.ledger"
    body = f'cp -r "$1" {copy}; cp {ledger} {copy}; echo $KEEPER_AGENT > {copy}/agent; {ALL}'
    why, heard = site.run(body, A, B, C)
    assert why == ""
    assert heard.results() == dict.fromkeys((1, 2, 3), (Result.ACCEPTED, True))
    found = [one for one in packets(copy) if isinstance(one, Packet)]
    assert [(one.name, one.data, one.outcome, one.at) for one in found] == [
        (one.name, one.text, one.parcel.outcome, one.parcel.at) for one in (A, B, C)
    ]
    assert [json.loads(line)["did"] for line in (copy / "resend.ledger").open()] == ["opened", *["sending"] * 3]
    assert (copy / "agent").read_text() == "stats\n"
    assert fates(site.folder, A, B, C) == [Fate.DELIVERED] * 3


def test_the_folder_is_made_anew_for_each_run(site: Site) -> None:
    """What an earlier run left in it is not sent again."""
    site.run(ALL, A, B)
    why, heard = site.run("cat $1/*", C)
    assert why.endswith("1 of 1 were not named")
    assert [report.number for report in heard.reports] == [3]


@pytest.mark.parametrize(
    ("body", "result", "fate", "why"),
    [
        ("echo 1001", Result.FAILED, Fate.FAILED, "1 of 2 were not named"),
        ("echo 1001; exit 3", Result.UNKNOWN, Fate.UNKNOWN, "it ended with 3"),
        ("echo 1001; echo no >&2; exit 1", Result.UNKNOWN, Fate.UNKNOWN, "it ended with 1: no"),
        ("echo 1001; kill -9 $$", Result.UNKNOWN, Fate.UNKNOWN, "it ended with -9"),
        ("echo 1001; sleep 300", Result.UNKNOWN, Fate.UNKNOWN, "it did not end within 1 s"),
    ],
)
def test_what_it_does_not_name(site: Site, body: str, result: Result, fate: Fate, why: str) -> None:
    """Was not delivered if it ended well; else nobody knows. What it named before is believed."""
    ended, heard = site.run(body, A, B, script_timeout="1s")
    assert ended == f"{site.directory / 'send'}: {why}"
    assert heard.results() == {1: (Result.ACCEPTED, True), 2: (result, True)}
    assert fates(site.folder, A, B) == [Fate.DELIVERED, fate]


@pytest.mark.parametrize(
    ("output", "accepted"),
    [
        ("1001\\n1002\\n", [1, 2]),
        ("1001\\r\\n 1002 \\n", [1, 2]),
        ("1002", [2]),
        ("1001 1002\\n", []),
        ("id 1001\\n+1001\\n-1001\\n1001.0\\n", []),
        ("9999\\n1001\\n", [1]),
        ("\\331\\241\\n", []),
        ("0001001\\n", [1]),
    ],
)
def test_only_a_line_that_is_an_id_names_a_packet(site: Site, output: str, accepted: list[int]) -> None:
    """Anything else it prints is its own affair."""
    _, heard = site.run(f"printf '{output}'", A, B)
    assert [report.number for report in heard.reports if report.result is Result.ACCEPTED] == accepted


def test_an_id_of_two_packets_must_be_named_twice(site: Site) -> None:
    """One word does not say which of them arrived."""
    twin = owed(4, id=A.parcel.id)
    _, heard = site.run("echo 1001", A, twin)
    assert {report.result for report in heard.reports} == {Result.FAILED}
    _, heard = site.run("echo 1001; echo 1001", A, twin)
    assert {report.result for report in heard.reports} == {Result.ACCEPTED}


def test_numbers_without_end_cost_no_memory(site: Site) -> None:
    """Only those of its packets are remembered."""
    heard = Heard()
    resend = site.resend("seq 1 300000", [A], heard)
    tracemalloc.start()
    assert resend.run() == ""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heard.results() == {1: (Result.ACCEPTED, True)}
    assert peak < 4 << 20


@pytest.mark.parametrize("repeat", ["resend", "hold"])
@pytest.mark.parametrize(
    ("fate", "told"),
    [
        (Fate.DELIVERED, (Result.ACCEPTED, False)),
        (Fate.SENDING, (Result.UNKNOWN, False)),
        (Fate.UNKNOWN, (Result.UNKNOWN, False)),
    ],
)
def test_the_ledger_is_asked_first(site: Site, repeat: str, fate: Fate, told: tuple[Result, bool]) -> None:
    """As without a program."""
    write_ledger(site.folder, (A, fate))
    goes = repeat == "resend" and fate is not Fate.DELIVERED
    why, heard = site.run(f"touch {site.directory}/ran; {ALL}", A, unknown_outcome=repeat)
    assert why == ""
    assert heard.results() == {1: (Result.ACCEPTED, True) if goes else told}
    assert (site.directory / "ran").exists() == goes


def _untrusted(program: Path) -> None:
    program.chmod(0o777)


def _gone(program: Path) -> None:
    program.unlink()


def _of_no_kind(program: Path) -> None:
    program.write_bytes(b"\x7fELF")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(_untrusted, "can be written by others"), (_gone, "cannot be looked at"), (_of_no_kind, "cannot be started")],
)
def test_one_that_was_not_started_delivered_nothing(site: Site, spoil: Callable[[Path], None], why: str) -> None:
    """That the packets were about to be sent must not leave them as if they may have arrived."""
    heard = Heard()
    resend = site.resend(ALL, [A, B], heard, unknown_outcome="hold")
    spoil(site.directory / "send")
    assert why in resend.run()
    assert heard.results().get(1) is None
    assert fates(site.folder, A) == [Fate.FAILED]
    why_now, heard = site.run(ALL, A, unknown_outcome="hold")
    assert why_now == ""
    assert heard.results() == {1: (Result.ACCEPTED, True)}


def test_told_to_stop_it_ends_and_nobody_knows_what_arrived(site: Site) -> None:
    """Within the seconds that keeper has to end."""
    begun = site.directory / "begun"
    heard = Heard()
    resend = site.resend(f"trap '' TERM; echo 1001; touch {begun}; sleep 300; sleep 300", [A, B], heard)
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(resend.run()), daemon=True)
    thread.start()
    eventually(begun.exists, "it to begin", 20)
    resend.stop("the server suffers")
    resend.leave()
    thread.join(2.5)
    assert ended == [f"{site.directory / 'send'}: it was told to stop"]
    assert heard.results() == {1: (Result.ACCEPTED, True), 2: (Result.UNKNOWN, True)}


def test_told_before_it_begins_it_is_not_started(site: Site) -> None:
    """And what it would have sent is not thought to be under way."""
    resend = site.resend(f"touch {site.directory}/ran", [A], Heard())
    resend.stop("keeper stops")
    assert resend.run() == "keeper stops"
    assert not (site.directory / "ran").exists()
    assert fates(site.folder, A) == [None]


def test_beside_a_resend_by_hand_it_does_nothing(site: Site) -> None:
    """One ledger, one sender."""
    write_ledger(site.folder)
    by_hand = Ledger.open(site.folder, said)
    try:
        with pytest.raises(InUse, match="is in use by another keeper"):
            site.run(f"touch {site.directory}/ran", A)
    finally:
        by_hand.close()
    assert not (site.directory / "ran").exists()
    assert fates(site.folder, A) == [None]
