"""One real nodeos on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests.peers.antelope import PRIVATE_KEY, PUBLIC_KEY, command, environment
from tests.peers.ask import get_json, post_json
from tests.peers.process import Program, run

# chain_plugin must come first: with producer_plugin first this build crashes at start.
PLUGINS = ("chain", "http", "chain_api", "producer", "producer_api", "net", "net_api")

STALE = "--enable-stale-production"
PAUSED = "--pause-on-startup"


class Nodeos:
    """One node process. Its log is a real file that grows over restarts; its data directory outlives them too.

    `options` are on its command line at each start. `peers` are ports of this machine, or HOST:PORT. At another
    `address` than loopback it listens to everybody; `inside` is how a program is started where that address is. A node
    produces once it has seen a block of the present, like
    in real life; the first one of a dead chain must be started with STALE.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        http_port: int,
        p2p_port: int,
        peers: Sequence[int | str] = (),
        producers: Sequence[str] = (),
        options: Sequence[str] = (),
        address: str = "127.0.0.1",
        inside: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "nodeos.log"
        self.http_url = f"http://{address}:{http_port}"
        self.http_port = http_port
        self.p2p_port = p2p_port
        self.producers = tuple(producers)
        self._peers = [peer if isinstance(peer, str) else f"127.0.0.1:{peer}" for peer in peers]
        self._listens_at = address if address == "127.0.0.1" else "0.0.0.0"  # in a network of its own
        self._inside = tuple(inside)
        self._options = tuple(options)
        self._dirty = False  # it was not stopped, or not by us
        self._program = Program(f"nodeos {name}", [], self.log, environment())

    @property
    def pid(self) -> int:
        return self._program.pid

    def running(self) -> bool:
        return self._program.running()

    def start(self, *extra: str, deadline: float = 30.0) -> None:
        """Start with `extra` options and wait until the API answers; after `kill()` replay the block log first."""
        configuration = self.directory / "config"
        configuration.mkdir(parents=True, exist_ok=True)
        (configuration / "config.ini").touch()
        self._program.argv = [
            *self._inside,
            *self._command(configuration, *extra),
        ]
        self._dirty = True
        self._program.start(lambda: self.info()["head_block_num"], deadline)

    def _command(self, configuration: Path, *extra: str) -> list[str]:
        return command(
            "nodeos",
            *(f"--plugin=eosio::{plugin}_plugin" for plugin in PLUGINS),
            f"--config-dir={configuration}",
            f"--data-dir={self.data}",
            f"--http-server-address={self._listens_at}:{self.http_port}",
            "--http-validate-host=false",
            f"--p2p-listen-endpoint={self._listens_at}:{self.p2p_port}",
            *(f"--p2p-peer-address={peer}" for peer in self._peers),
            "--p2p-max-nodes-per-host=25",
            # A transaction stays on the node it was pushed to: so two nodes' blocks can be made to differ.
            "--p2p-accept-transactions=false",
            f"--signature-provider={PUBLIC_KEY}=KEY:{PRIVATE_KEY}",
            *(f"--producer-name={producer}" for producer in self.producers),
            "--max-irreversible-block-age=-1",
            # The smallest footprint: the default is two sparse files of 1 GiB and a compiler process.
            "--chain-state-db-size-mb=64",
            "--chain-state-db-guard-size-mb=8",
            "--eos-vm-oc-enable=none",
            "--eos-vm-oc-cache-size-mb=8",
            *self._options,
            *extra,
            *(["--replay-blockchain"] if self._dirty else []),
        )

    def stop(self) -> None:
        """A clean stop (SIGTERM)."""
        if self.running():
            self._program.stop()
            self._dirty = False

    def kill(self) -> None:
        """kill -9. The state database is left dirty and reversible blocks are lost; `start()` replays and syncs."""
        self._program.kill()

    def take_chain(self, data: Path) -> None:
        """Throw the stopped node's chain away and give it a copy of another data directory; the log stays."""
        shutil.rmtree(self.data, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        copied = run(["cp", "-a", "--sparse=always", str(data), str(self.data)])
        assert copied.returncode == 0, copied.stderr
        self._dirty = False

    def begin_log(self) -> None:
        """Empty the log of a running node, which appends to it; what was in it goes to the file `before.log`."""
        shutil.copy(self.log, self.directory / "before.log")
        os.truncate(self.log, 0)

    def sigstop(self) -> None:
        """Hang: the process is there, its ports are open, nothing answers."""
        self._program.signal(signal.SIGSTOP)

    def sigcont(self) -> None:
        self._program.signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop producing, as the role switch of a standby does; the node keeps following the chain."""
        post_json(f"{self.http_url}/v1/producer/pause")

    def resume(self) -> None:
        post_json(f"{self.http_url}/v1/producer/resume")

    def paused(self) -> bool:
        answer: bool = post_json(f"{self.http_url}/v1/producer/paused")
        return answer

    def info(self) -> dict[str, Any]:
        """The answer of /v1/chain/get_info."""
        answer: dict[str, Any] = get_json(f"{self.http_url}/v1/chain/get_info")
        return answer

    def head(self) -> int:
        number: int = self.info()["head_block_num"]
        return number

    def head_age(self, now: float) -> float:
        """Seconds from the head block's own time to `now` (Unix time); a block is signed a little before its time."""
        text: str = self.info()["head_block_time"]
        return now - datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    def block(self, number: int) -> dict[str, Any]:
        """The answer of /v1/chain/get_block: `producer`, `id`, `timestamp`, `transactions`, ..."""
        answer: dict[str, Any] = post_json(f"{self.http_url}/v1/chain/get_block", {"block_num_or_id": number})
        return answer

    def producers_between(self, first: int, last: int) -> list[str]:
        """Who made the blocks `first` to `last`, in order; blocks the node does not have are left out."""
        names: list[str] = []
        for number in range(first, last + 1):
            with contextlib.suppress(requests.HTTPError):
                names.append(self.block(number)["producer"])
        return names

    def schedule(self) -> list[str]:
        """The active producers, in their order."""
        answer = get_json(f"{self.http_url}/v1/chain/get_producer_schedule")
        return [producer["producer_name"] for producer in answer["active"]["producers"]]

    def peer_count(self) -> int:
        """Peer-to-peer connections whose handshake is done, in both directions."""
        connections = post_json(f"{self.http_url}/v1/net/connections")
        return sum(1 for connection in connections if connection["last_handshake"]["network_version"])
