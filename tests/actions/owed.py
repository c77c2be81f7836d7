"""Parcels to be sent again and their texts, made by code that knows nothing of keeper's sending."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from keeper.config import parse
from keeper.delivery.appended import Unchanged
from keeper.delivery.ledger import Fate, Ledger, Note
from keeper.delivery.outcome import Result
from keeper.delivery.packet import Outcome
from keeper.delivery.parcel import Parcel, Report, Stand
from keeper.settings import AgentSettings
from tests.delivery.statistics_server import IDL

CHAT = "[ChatMessageInfo(auid={}L, timestamp=1, channel='a', message='b')]"


class Owed(NamedTuple):
    """A parcel that is due, and its text."""

    parcel: Parcel
    text: bytes

    @property
    def name(self) -> tuple[int, str]:
        return self.parcel.id, self.parcel.content


def owed(
    number: int, id: int = 0, text: str = CHAT, key: str = "ChatMessages", outcome: Outcome = "rejected"
) -> Owed:  # fmt: skip
    data = text.format(number).encode()
    content = hashlib.sha256(key.encode() + b"\0" + data).hexdigest()[:32]
    id = id or 1000 + number
    return Owed(Parcel(number, id, content, key, 1.0 * number, 1, len(data), Stand.DUE, outcome, 500, "why"), data)


def settings(url: str = "", **options: object) -> AgentSettings:
    """As a configuration says them: short patience, but for what is given."""
    given = {"url": url, "idl": IDL, "connect_timeout": "2s", "request_timeout": "2s", **options}
    lines = [f"{name.replace('__', '.')} = {value}" for name, value in given.items() if value != ""]
    [agent] = parse("[agent:stats]\n" + "\n".join(lines) + "\n", "config", {}).agents
    return agent


def said() -> str:
    return "2026-11-26T05:00:00.000Z"


class Heard:
    """What a run tells, as the loop would hear it."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def __call__(self, report: Report) -> None:
        self.reports.append(report)

    def results(self) -> dict[int, tuple[Result, bool]]:
        """The last of each parcel, and whether it left keeper."""
        return {report.number: (report.result, report.sent) for report in self.reports}


def write_ledger(folder: Path, *notes: tuple[Owed, Fate]) -> None:
    """What an earlier run, one by hand, or a killed one left."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(folder, said)
    ledger.bind("stats", "somewhere")
    ledger.note([Note(*one.name, fate) for one, fate in notes])
    ledger.close()


def fates(folder: Path, *those: Owed) -> list[Fate | None]:
    """What the ledger says of them."""
    ledger = Ledger.open(folder, said, how=Unchanged)
    try:
        return [ledger.fate(*one.name) for one in those]
    finally:
        ledger.close()
