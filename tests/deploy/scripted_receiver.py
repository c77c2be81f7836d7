"""A real receiver, and senders that follow a script: some of what they send is wrong, or sent again."""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.peers import free_ports
from tests.peers.ask import answers
from tests.peers.process import Program

TOKEN = "secret"
EVERY = 0.1  # seconds between two turns


class ScriptedReceiver:
    """Ten times a second a packet, each sent twice, some lines and a point; now and then what is refused, and an id
    that was used before. Starts with `with`; `target` is where it is scraped."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        port, status = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.target = f"127.0.0.1:{status}"
        self._stop = threading.Event()
        self._open = ExitStack()
        config = directory / "config.ini"
        config.write_text(
            f"[keeper]\nname = tokyo-1\nstate_dir = {directory}\n"
            f"[receiver]\nlisten = 127.0.0.1:{port}\nstatus_listen = {self.target}\n"
            f"[source:agent]\ntoken = {TOKEN}\nsilent_after = 1m\n[source:shop]\naddresses = 127.0.0.1\n"
        )
        command = [sys.executable, "-m", "keeper", "receive", "-c", str(config)]
        self._program = Program("receiver", command, directory / "receiver.log")

    def _send(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            turn = 0
            while not self._stop.wait(EVERY):
                turn += 1
                packet = {"Login": [{"auid": turn}]}
                for _ in range(2):
                    session.post(f"{self.url}/?packet_id={turn}", json=packet, headers=_bearer(TOKEN), timeout=5)
                lines = f"web 2026-11-26 GET /{turn}\nnonsense\n"
                session.post(f"{self.url}/log/x", data=lines.encode(), timeout=5)
                session.post(
                    f"{self.url}/put", data=f"put sys.cpu {1_795_000_000 + turn} 1 host=a\n".encode(), timeout=5
                )
                if turn % 20 == 0:
                    session.post(f"{self.url}/", data=b"{", timeout=5)
                    session.post(f"{self.url}/", json=packet, headers=_bearer("wrong"), timeout=5)
                    session.get(f"{self.url}/admin", timeout=5)
                    again = {"Login": [{"auid": -turn}]}
                    session.post(f"{self.url}/?packet_id={turn}", json=again, headers=_bearer(TOKEN), timeout=5)

    def __enter__(self) -> Self:
        self._open.enter_context(self._program)
        self._program.start(lambda: answers(f"http://{self.target}/-/ready"))
        sending = threading.Thread(target=self._send)
        sending.start()
        self._open.callback(sending.join)
        self._open.callback(self._stop.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
