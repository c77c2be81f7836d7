"""What other people's nodes say: this node, or the network?"""

from __future__ import annotations

from collections.abc import Collection

from keeper.core.event import ReferenceAnswer
from keeper.core.memory import View
from keeper.rules.phrases import of_references

REFERENCE_LASTS = 15.0  # seconds an answer of a reference node speaks of the present


def heads(view: View) -> list[ReferenceAnswer]:
    """The answers of the reference nodes that are young enough, the highest head first."""
    if not view.memory.references:
        return []
    return sorted(view.references(REFERENCE_LASTS).values(), key=lambda answer: -answer.head)


def blame(view: View, head: int, slack: int = 0) -> str:
    """How the sentence about a head that does not move goes on; empty without a reference node that answers.

    A reference node is ahead if its head is more than `slack` blocks above ours.
    """
    answers = heads(view)
    if not answers:
        return "; no reference node answers" if view.subject.references else ""
    ahead = ahead_of(answers, head, slack)
    if not ahead:
        return "; no reference node is ahead: the network"
    height = ahead[len(ahead) // 2].head
    whom = "this node, not the network" if is_majority(ahead, answers) else "perhaps this node"
    return f"; {of_references(len(ahead), len(answers))} at {height:,}: {whom}"


def ahead_of(answers: Collection[ReferenceAnswer], head: int, slack: int) -> list[ReferenceAnswer]:
    return [answer for answer in answers if answer.head > head + slack]


def is_majority(some: Collection[object], every: Collection[object]) -> bool:
    return 2 * len(some) > len(every)
