"""The table of roles as people read it: printed into docs/failover.md, which a test compares with it.

`python -m keeper.failover.table` prints both parts.
"""

from __future__ import annotations

from keeper.failover.deeds import DUTIES
from keeper.failover.roles import ROWS, STATES, Row


def diagram() -> str:
    """Who follows whom, each pair of states once."""
    width = max(map(len, STATES))
    lines = []
    for state in STATES:
        after = dict.fromkeys(row.then for row in ROWS if row.state == state)
        lines.append(f"{state:<{width}} ──► {', '.join(after)}")
    return "\n".join(["```", *lines, "```"])


def table() -> str:
    """The rows in the order in which they are tried, then what is done at every look."""
    lines = ["| in | when | then | does | why |", "|---|---|---|---|---|", *map(_line, ROWS), ""]
    lines += ["| in | at every look |", "|---|---|"]
    lines += [f"| {state} | {', '.join(DUTIES[state]) or 'waits'} |" for state in STATES]
    return "\n".join(lines)


def _line(row: Row) -> str:
    when = row.when.__name__.replace("_", " ")
    return f"| {row.state} | {when} | **{row.then}** | {', '.join(row.does) or 'nothing'} | {row.sentence} |"


if __name__ == "__main__":
    print(diagram(), table(), sep="\n\n")  # noqa: T201  # what it is for
