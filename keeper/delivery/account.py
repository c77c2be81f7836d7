"""Where every collected packet went. It adds up, and says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN = 8  # different reasons of one kind
KINDS = 1000  # different reasons, or types, that are counted one by one


def count(counted: Counter[str], what: str, number: int = 1) -> None:
    """Count it by name; among `others` when there are too many names already."""
    counted[what if what in counted or len(counted) < KINDS else "others"] += number


@dataclass
class Account:
    """Packets counted by what became of them; events by type of what is, or was, to be sent. `wrong` are lines that are
    no packets: they are named, and not among the collected."""

    collected: int = 0
    wrong: list[str] = field(default_factory=list)
    wrong_lines: int = 0
    delivered_before: int = 0
    repeated: int = 0  # the same packet a second time in the same collection
    skipped: Counter[str] = field(default_factory=Counter)  # by type
    rejected: Counter[str] = field(default_factory=Counter)  # by reason: cannot be put on the wire
    unknown_types: Counter[str] = field(default_factory=Counter)  # by type; rejected for that
    refused: Counter[str] = field(default_factory=Counter)  # by reason: the server will never have it
    held: Counter[str] = field(default_factory=Counter)  # by reason
    failed: Counter[str] = field(
        default_factory=Counter
    )  # by reason: tried as often as allowed; the next run tries again
    untried: int = 0  # not reached, or under way when the run was broken off
    planned_packets: int = 0
    planned: Counter[str] = field(default_factory=Counter)  # events by type
    packets_by_type: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    delivered_events: int = 0
    ended: str = ""  # why the run ended before its end

    @property
    def all_rejected(self) -> int:
        return self.rejected.total() + self.unknown_types.total() + self.refused.total()

    @property
    def remaining(self) -> int:
        return self.failed.total() + self.untried

    def parts(self) -> dict[str, int]:
        """Each collected packet is in exactly one of these."""
        return {
            "delivered": self.delivered,
            "delivered before": self.delivered_before,
            "repeated": self.repeated,
            "rejected": self.all_rejected,
            "held": self.held.total(),
            "skipped": self.skipped.total(),
            "remaining": self.remaining,
        }

    def adds_up(self) -> bool:
        return sum(self.parts().values()) == self.collected

    def as_json(self) -> dict[str, Any]:
        return {
            "collected": self.collected,
            **{name.replace(" ", "_"): count for name, count in self.parts().items()},
            "adds_up": self.adds_up(),
            "lines": self.collected + self.wrong_lines,
            "wrong_lines": self.wrong_lines,
            "planned_packets": self.planned_packets,
            "planned_events_by_type": dict(self.planned),
            "planned_packets_by_type": dict(self.packets_by_type),
            "delivered_events": self.delivered_events,
            "skipped_by_type": dict(self.skipped),
            "unknown_types": dict(self.unknown_types),
            "rejected_by_reason": dict(self.rejected),
            "refused_by_reason": dict(self.refused),
            "held_by_reason": dict(self.held),
            "failed_by_reason": dict(self.failed),
            "untried": self.untried,
            "ended": self.ended,
        }


def reasons(title: str, counted: Counter[str]) -> list[str]:
    """The most frequent reasons, one a line, and how many more there are."""
    lines = [f"  {count:>9,}  {title}: {reason}" for reason, count in counted.most_common(SHOWN)]
    if len(counted) > SHOWN:
        rest = sum(count for _, count in counted.most_common()[SHOWN:])
        lines.append(f"  {rest:>9,}  {title}, for {len(counted) - SHOWN} other reasons")
    return lines
