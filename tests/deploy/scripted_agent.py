"""A statistics agent and its server that follow a script: of each hundred packets some are not accepted."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.delivery.live_agent import LiveAgent
from tests.delivery.statistics_server import IDL, StatisticsServer, identity
from tests.notifiers.receiver import Answer, Request

REFUSED, CUT_OFF = 60, 95  # from this packet of a hundred on they are answered 500, from that one on not at all
SKIPPED = "TalentChange"  # about half of what the agent sends


class ScriptedAgent:
    """Twenty packets a second. What is sent again is always taken. Once in a hundred packets the log has one without an
    id, as the oldest agents write them. Starts with `with`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._server = StatisticsServer(self._answer)
        self._open = ExitStack()

    def settings(self, name: str) -> str:
        """The section of an agent that keeper follows and resends for. It keeps few packets, so that it forgets some,
        and rests between two it resends, so that this can be seen."""
        return (
            f"[agent:{name}]\nlog = file:{self.log}\nurl = {self._server.url}\nidl = {IDL}\n"
            f"skip = {SKIPPED}\nunknown_outcome = hold\nkeep_packets = 8\npacing = classic\nevent_pause = 1s\n"
            "recovered_packets = 5\nrecovered_for = 0s\nrest = 1s\nslow = 20\n"
            "connect_timeout = 2s\nrequest_timeout = 5s\n"
        )

    def _answer(self, request: Request) -> Answer:
        place = identity(request)[0] % 100
        if not request.headers["Idempotency-Key"].startswith('"live/') or place < REFUSED:
            return Answer()
        if place == REFUSED:
            self._write_without_id()
        return Answer(500) if place < CUT_OFF else Answer(manner="close")

    def _write_without_id(self) -> None:
        stamp = datetime.now().astimezone().strftime("[%Y-%m-%d %H:%M:%S,000 INFO]")
        with self.log.open("a") as log:
            log.write(f"{stamp} sendThrift LIST: key 'ChatMessages', data [ChatMessageInfo(auid=1L)]\n")

    def __enter__(self) -> Self:
        self._open.enter_context(self._server)
        self._open.enter_context(LiveAgent(self.log, self._server.port, seed=1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
