"""How rules write times, spans, counts and lists, so that all reasons read alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable

MAX_QUOTE = 200  # characters of a log line in a reason


def clock(seconds: float) -> str:
    """`20:36:12` of the day, UTC."""
    whole = int(seconds) % 86400
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def span(seconds: float) -> str:
    """`12 s`, `3 min`, `4 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    whole = int(seconds)
    for big, big_unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= big:
            rest = whole % big // small
            return f"{whole // big} {big_unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{whole} s"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 block`, `2 blocks`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a, b and c`; beyond `most` names `a, b and 7 others`."""
    every = list(names)
    if len(every) > most:
        every = [*every[: most - 1], f"{len(every) - most + 1} others"]
    return " and ".join(filter(None, [", ".join(every[:-1]), every[-1] if every else ""]))


def of_references(some: int, every: int) -> str:
    """`two of three reference nodes are`, `the reference node is`, `both reference nodes are`, ..."""
    if every == 1:
        return "the reference node is"
    if some == every:
        return f"{'both' if every == 2 else f'all {word(every)}'} reference nodes are"
    return f"{word(some)} of {word(every)} reference nodes {'is' if some == 1 else 'are'}"


def word(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if number < len(words) else f"{number:,}"


def quoted(text: str) -> str:
    """A line somebody else wrote, on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…"


def whose(producers: Collection[str]) -> str:
    """Our producer accounts by name."""
    return listed(sorted(producers))
