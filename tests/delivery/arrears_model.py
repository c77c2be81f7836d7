"""What an agent owes, kept in the most naive way: a list of dictionaries, gone through from one end to the other."""

from __future__ import annotations

import hashlib
from typing import Any

from keeper.core.event import PacketAnswered, PacketSent
from keeper.delivery.arrears import Terms


class Model:
    """Written from the documentation of `Arrears`, and slow."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.rows: list[dict[str, Any]] = []
        self.counts = {"unpaired": 0, "without_id": 0, "skipped": 0, "forgotten": 0}
        self.number = 0

    def sent(self, event: PacketSent, data: bytes) -> list[int]:
        if event.id is None:
            self.counts["without_id"] += 1
            return []
        given_up = []
        for row in self.rows:
            if row["id"] == event.id and row["waits"]:
                row["waits"] = False
                if row["stand"] == "open":
                    given_up.append(row["number"])
                    self._plan(row, "unanswered", None)
        if event.key in self.terms.skip:
            self.counts["skipped"] += 1
            return given_up
        self.number += 1
        content = hashlib.sha256(event.key.encode() + b"\0" + data).hexdigest()[:32]
        self.rows.append(
            {"number": self.number, "id": event.id, "key": event.key, "at": event.at, "events": event.events,
             "size": len(data), "content": content, "stand": "open", "outcome": None, "code": None, "tries": 0,
             "waits": True, "data": data}
        )  # fmt: skip
        self._forget()
        return given_up

    def answered(self, event: PacketAnswered) -> None:
        found = [row for row in self.rows if row["id"] == event.id and row["waits"] and row["key"] == event.key]
        if not found:
            self.counts["unpaired"] += event.key not in self.terms.skip
            return
        [row] = found
        row["waits"] = False
        if event.code == 200:
            self.rows.remove(row)
            return
        outcome = "unknown" if event.code in (None, 599) else "rejected"
        if row["stand"] == "refused" or row["tries"] >= self.terms.tries:
            row["outcome"], row["code"] = outcome, event.code
        else:
            self._plan(row, outcome, event.code)

    def expire(self, seen: float) -> list[int]:
        late = []
        for row in self.rows:
            if row["stand"] == "open" and row["at"] + self.terms.answer_within <= seen:
                self._plan(row, "unanswered", None)
                late.append(row["number"])
        return late

    def resent(self, number: int, result: str) -> None:
        for row in [row for row in self.rows if row["number"] == number]:
            if result == "accepted":
                self.rows.remove(row)
            elif result == "refused":
                row["stand"] = "refused"
            elif result == "unknown" and not self.terms.repeat:
                row["stand"] = "held"
            else:
                row["tries"] += result in ("failed", "unknown")
                row["stand"] = "held" if row["tries"] >= self.terms.tries else "due"

    def hold(self, number: int) -> None:
        for row in self.rows:
            if row["number"] == number:
                row["stand"] = "held"

    def replan(self, terms: Terms) -> None:
        self.terms = terms
        for row in list(self.rows):
            if row["key"] in terms.skip:
                self.rows.remove(row)
                self.counts["skipped"] += 1
            elif row["outcome"] is None or row["tries"] >= terms.tries:
                continue
            elif row["stand"] == "due" or (row["stand"] == "held" and terms.repeat):
                self._plan(row, row["outcome"], row["code"])
        self._forget()

    def reload(self, terms: Terms) -> None:
        """As after a restart: only what is stored is known. An answer still belongs to the newest packet of its id."""
        for place, row in enumerate(self.rows):
            later = any(other["id"] == row["id"] for other in self.rows[place + 1 :])
            row["waits"] = not later and (row["stand"] == "open" or row["outcome"] == "unanswered")
        self.number = self.rows[-1]["number"] if self.rows else 0
        self.counts = dict.fromkeys(self.counts, 0)
        self.replan(terms)

    def _plan(self, row: dict[str, Any], outcome: str, code: int | None) -> None:
        may = self.terms.repeat or outcome == "rejected"
        row["outcome"], row["code"], row["stand"] = outcome, code, "due" if may else "held"

    def _forget(self) -> None:
        while len(self.rows) > self.terms.packets or (
            sum(row["size"] for row in self.rows) > self.terms.size and len(self.rows) > 1
        ):
            self.rows.pop(0)
            self.counts["forgotten"] += 1
