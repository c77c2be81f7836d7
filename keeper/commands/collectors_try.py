"""`keeper collectors try FOLDER`: run all scripts of a folder for a while and tell of each what came of it."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from tqdm import tqdm

from keeper.collectors.terms import Terms
from keeper.commands.paint import painted
from keeper.errors import KeeperError
from keeper.runtime.clock import since_boot
from keeper.runtime.runner_process import Message, RunnerProcess

FIRST = 5.0  # seconds within which the first runs begin
LOOK = 0.5
HIGH = "VmHWM:"


class Tried:
    """What the runner told of the scripts."""

    def __init__(self) -> None:
        self.stands: dict[str, dict[str, Any]] = {}
        self.said: dict[str, str] = {}
        self.complaints: list[str] = []
        self.memory: dict[str, int] = {}

    def take(self, message: Message) -> None:
        kind, *words = message
        if kind == "stand":
            self.stands[words[0]] = words[1]
        elif kind == "said":
            self.said[words[0]] = words[2]
        elif kind == "complaints":
            self.complaints = list(words[0])

    def look(self) -> None:
        """How much memory each has had that runs now, as far as this host tells."""
        for name, stand in self.stands.items():
            with suppress(OSError, ValueError, StopIteration):
                text = Path(f"/proc/{stand['pid']}/status").read_text() if stand["pid"] else ""
                line = next(line for line in text.splitlines() if line.startswith(HIGH))
                self.memory[name] = max(self.memory.get(name, 0), int(line.split()[1]) * 1024)


def try_folder(folder: Path, seconds: float, *, as_json: bool) -> int:
    """3 when a script failed or a line was rejected."""
    if not folder.is_dir():
        raise KeeperError(f"{folder} is no folder; its scripts lie in {folder}/<seconds>/")
    tried = Tried()
    terms = Terms(str(folder.resolve()), f"try-{uuid4().hex}", spread=min(FIRST, seconds / 3), every=1.0)
    runner = RunnerProcess(terms, since_boot)
    began = since_boot()
    try:
        with tqdm(total=seconds, unit="s", bar_format="{l_bar}{bar}| {n:.0f} of {total:.0f} s", leave=False,
                  disable=not sys.stderr.isatty()) as bar:  # fmt: skip
            while (passed := since_boot() - began) < seconds:
                for message in runner.hear(min(LOOK, seconds - passed)):
                    tried.take(message)
                tried.look()
                bar.update(min(seconds, since_boot() - began) - bar.n)
        before = {name: dict(stand) for name, stand in tried.stands.items()}
    finally:
        for message in runner.end(5.0):
            tried.take(message)
    rows = [row(name, before.get(name, stand), stand, tried) for name, stand in sorted(tried.stands.items())]
    if as_json:
        print(json.dumps({"scripts": rows, "complaints": tried.complaints}))
    else:
        show(rows, tried.complaints)
    return 3 if tried.complaints or any(one["failing"] or one["rejected"] for one in rows) else 0


def row(name: str, before: dict[str, Any], after: dict[str, Any], tried: Tried) -> dict[str, Any]:
    """`before` is how it stood when the time was over, `after` when all were ended: the counts are whole only then."""
    failing = before["stage"] in ("resting", "looping", "stuck", "refused")
    words = [before["why"]] if before["why"] else []
    if failing and name in tried.said:
        words.append(tried.said[name])
    if after["bad"]:
        reason, line, why = after["bad"]
        words.append(f"{reason}: {line!r}: {why}")
    return {
        "name": name, "interval": before["interval"], "runs": before["runs"], "points": after["points"],
        "series": after["series"], "rejected": dict(after["rejected"]), "exit": before["exit"],
        "stage": before["stage"], "failing": failing, "memory": max(after["memory"], tried.memory.get(name, 0)),
        "cpu": after["cpu"], "said": "; ".join(words),
    }  # fmt: skip


def show(rows: list[dict[str, Any]], complaints: list[str]) -> None:
    from keeper.commands.collectors import aligned, size_of  # noqa: PLC0415  # which names this command in its table

    cells = [("script", "every", "runs", "points", "series", "rejected", "exit", "RSS", "stage", "")]
    for one in rows:
        cells.append(
            (
                one["name"], f"{one['interval']:g} s" if one["interval"] else "runs on", f"{one['runs']}",
                f"{one['points']}", f"{one['series']}", f"{sum(one['rejected'].values())}",
                "" if one["exit"] is None else f"{one['exit']}", size_of(one["memory"]),
                one["stage"], one["said"],
            )
        )  # fmt: skip
    for text, known in zip(aligned(cells), [None, *rows], strict=True):
        ill = known is not None and (known["failing"] or known["rejected"])
        print(painted(text, "failing" if ill else "ok") if known is not None else text)
    for complaint in complaints:
        print(painted(complaint, "failing"))
    points, bad = sum(one["points"] for one in rows), sum(sum(one["rejected"].values()) for one in rows)
    print(f"\n{len(rows)} scripts, {points} points, {bad} lines rejected")
