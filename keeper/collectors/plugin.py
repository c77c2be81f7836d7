"""Finds the collector scripts in their folder: DIR/<seconds>/<executable>, where 0 seconds is long-lived."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from keeper.actions.trust import why_not_trusted

MOST = 1000  # collectors
NAME = 100  # characters of one


class Plugin(NamedTuple):
    """A script as it lies there. `interval` in seconds; `version` changes when the file does. `argv` is how it is
    started. `why_not` is why it must not be run; empty when it may."""

    name: str
    path: str
    interval: float
    version: tuple[int, int, int]
    argv: tuple[str, ...]
    why_not: str = ""


class Found(NamedTuple):
    """By name, and what is wrong in the folder, a sentence each."""

    plugins: dict[str, Plugin]
    complaints: tuple[str, ...]


def find(folder: Path) -> Found:
    """Look now. A folder that cannot be read has no scripts and one complaint: what runs is not stopped for it, see
    `Runner`. Raises OSError for that."""
    plugins: dict[str, Plugin] = {}
    complaints: list[str] = []
    with os.scandir(folder) as entries:
        intervals = sorted((int(e.name), e.path) for e in entries if _is_interval(e.name) and e.is_dir())
    for interval, path in intervals:
        with os.scandir(path) as entries:
            files = sorted((e.name, e.path) for e in entries if not e.name.startswith("."))
        for name, file in files:
            found = _plugin(name, file, interval)
            if found is None:
                continue
            if name in plugins:
                complaints.append(f"{file} is not run: {plugins[name].path} has the same name; rename one of them")
            elif not _is_name(name):
                complaints.append(
                    f"{_printable(file)} is not run: its name may have letters, digits and -_. only, {NAME} at most"
                )
            elif len(plugins) >= MOST:
                complaints.append(f"{file} is not run: there are {MOST} collectors already, the most there may be")
            else:
                plugins[name] = found
    return Found(plugins, tuple(complaints))


def _plugin(name: str, path: str, interval: int) -> Plugin | None:
    """None for what is no script: not a file, not executable, or gone in this moment."""
    try:
        seen = os.stat(path)  # noqa: PTH116  # 200 of them every other second: a Path costs more than the question
    except OSError:
        return None
    if not stat.S_ISREG(seen.st_mode) or not seen.st_mode & 0o111:
        return None
    version = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
    return Plugin(name, path, float(interval), version, (path,))


def checked(plugin: Plugin) -> Plugin:
    """With `why_not`. Asked for what is new or changed, as it looks at every folder above the file."""
    return plugin._replace(why_not=why_not_trusted(Path(plugin.path)) or "")


def _printable(path: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


def _is_interval(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 6


def _is_name(name: str) -> bool:
    return len(name) <= NAME and name.isascii() and all(c.isalnum() or c in "-_." for c in name)
