"""An agent, a receiver that is away or too slow, and a person who types what docs/receiver_reconcile.md says."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keeper.cli import main
from tests.delivery.live_agent import LiveAgent
from tests.delivery.statistics_server import IDL
from tests.peers.ask import eventually, get_json
from tests.receiver.receiver_process import ReceiverProcess
from tests.scenarios.keeper_process import KeeperProcess

SENDER = """
[agent:stats]
url = http://{address}
confirm = http://{address}
idl = {idl}
request_timeout = 5s
"""


def stored(receiver: ReceiverProcess) -> Counter[int | None]:
    """How often each packet is in the store, by its id."""
    with closing(sqlite3.connect(receiver.state_dir / "packets.db")) as db:
        return Counter(id for (id,) in db.execute("SELECT id FROM packets"))


def taken(receiver: ReceiverProcess) -> int:
    """How many packets were acknowledged since it started."""
    return int(receiver.status()["inputs"]["thrift"]["packets"])


def hang(receiver: ReceiverProcess, agent: LiveAgent, packets: int) -> None:
    """Let so many packets come that are taken in only when nobody waits for the answer any more."""
    before = len(agent.sent)
    os.kill(receiver.pid, signal.SIGSTOP)
    try:
        eventually(lambda: len(agent.sent) >= before + packets + 1, "packets that nobody answers")
    finally:
        os.kill(receiver.pid, signal.SIGCONT)


@pytest.mark.parametrize("named", [True, False], ids=["with ids", "without ids"])
def test_an_outage_ends_with_each_packet_once_and_the_proof_of_it(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str], named: bool
) -> None:
    """Packets are accepted, stored too late to be answered, and lost while the receiver is away or killed. `reconcile`
    tells them apart, `resend` with `hold` sends the lost ones, and `reconcile` proves that each is there; so is each
    once. The agent sends its ids on the wire, or it does not."""
    receiver = ReceiverProcess(tmp_path / "far")
    log, collected, config = tmp_path / "statistic.log", tmp_path / "collected", tmp_path / "config.ini"
    settings = SENDER.format(address=receiver.address, idl=IDL) + "unknown_outcome = hold\n"
    config.write_text(f"[keeper]\nstate_dir = {tmp_path / 'state'}\n{settings}")

    def keeper(*words: str, code: int = 0) -> str:
        assert main([words[0], *words[1:]]) == code, capsys.readouterr().err
        return capsys.readouterr().out

    def reconciled(*words: str, code: int = 0) -> Any:
        out = keeper("reconcile", str(collected), "-c", str(config), "--json", *words, code=code)
        return json.loads(out)["reconciled"]

    port = int(receiver.address.rpartition(":")[2])
    with LiveAgent(log, port, seed, tick=0.01, timeout=0.3, named=named) as agent:
        eventually(lambda: len(agent.sent) > 20, "packets that nobody takes")
        with receiver:
            eventually(lambda: taken(receiver) > 30, "packets that are taken")
            hang(receiver, agent, 5)
            receiver.kill_server()
            lost = len(agent.sent)
            eventually(lambda: len(agent.sent) > lost + 20, "packets that nobody takes")
            receiver.kill()
            receiver.start()
            eventually(lambda: taken(receiver) > 10, "packets that are taken again")
            hang(receiver, agent, 5)
            eventually(lambda: taken(receiver) > 30, "packets that are taken again")
            agent.stop()
            keeper("collect", str(log), "-o", str(collected))
            told = reconciled("--dry-run", code=3)
            assert not (tmp_path / "resend.ledger").exists()
            assert reconciled(code=3) == told
            lost, found = told["lost"], told["delivered_as_is_known_now"]
            assert lost >= 40
            assert found >= 5
            assert lost + found == told["collected"]
            assert f"{lost} delivered + {found} delivered before" in keeper("resend", str(collected), "-c", str(config))
            told = reconciled()
            assert (told["delivered"], told["unknown"], told["lost"]) == (lost + found, 0, 0)
            sums = keeper("reconcile", str(collected), "-c", str(config)).splitlines()[-1]
            assert sums.startswith(f"{lost + found} delivered + 0 delivered, as is known now + 0 lost")
            sent = [id for id, _ in agent.sent]
            if named:
                said = get_json(f"http://{receiver.address}/v1/confirmed", ids=f"0-{len(sent) + 1}")
                assert (said["confirmed"], said["missing"]) == (f"1-{len(sent)}", f"0,{len(sent) + 1}")
        there = stored(receiver)
    assert there.total() == len(sent), "each packet"
    nameless = there.pop(None, 0)
    assert nameless == (0 if named else len(sent) - lost)
    assert there.keys() <= {*sent}
    assert set(there.values()) == {1}, "once"


@pytest.mark.parametrize("policy", ["hold", pytest.param("ask", marks=pytest.mark.soak)])
def test_what_the_daemon_keeps_is_settled_or_sent_when_the_receiver_was_asked(
    tmp_path: Path, seed: int, policy: str
) -> None:
    """With `hold` a daemon keeps what the agent heard no answer to. `reconcile` beside it tells what is there, which is
    no longer kept, from what is lost, which the daemon sends; with `ask` it does so by itself. In the end each packet
    is there once."""
    receiver, log = ReceiverProcess(tmp_path / "far"), tmp_path / "statistic.log"
    agent = LiveAgent(log, int(receiver.address.rpartition(":")[2]), seed, tick=0.02, timeout=0.3)
    more = f"log = file:{log}\nlookback = 1MiB\nunknown_outcome = {policy}\nanswer_within = 2s\n"
    more += "recovered_packets = 10\nrecovered_for = 1s\nrest = 1s\nslow = 50\n"
    keeper = KeeperProcess(tmp_path / "keeper", "game-1", SENDER.format(address=receiver.address, idl=IDL) + more)

    def kept() -> float:
        return sum(keeper.metric("keeper_packets_undelivered", agent="stats", stand=one) for one in ("held", "due"))

    def settled() -> bool:
        """A busy machine is late with an answer now and then: what is held for that, too, somebody must ask for."""
        if policy == "hold":
            asked(keeper)
        return kept() == 0

    with agent, keeper:
        eventually(lambda: kept() >= 20, "packets that were lost")
        with receiver:
            eventually(lambda: taken(receiver) > 5, "packets that are taken")
            hang(receiver, agent, 5)
            eventually(lambda: taken(receiver) > 30, "packets that are taken again")
            if policy == "hold":
                eventually(lambda: asked(keeper).get("delivered_as_is_known_now", 0) >= 5, "what is there to be known")
            eventually(settled, "what is there to be settled, and what is lost to be sent", 40, every=2.0)
            agent.stop()
            eventually(lambda: asked(keeper).get("collected") == 0, "the rest", 40, every=0.5)
            told = asked(keeper)
            assert (told["lost"], told["unknown"], told["ledger_ids_missing"]) == (0, 0, "")
            assert told["ledger_ids"] >= 20
        assert stored(receiver) == Counter(id for id, _ in agent.sent), "each packet, once"


def asked(keeper: KeeperProcess) -> Any:
    """What `reconcile` says beside the daemon; nothing while the ledger is in its hands."""
    done = keeper.command("reconcile", "--json")
    return json.loads(done.stdout)["reconciled"] if done.returncode != 1 else {}
