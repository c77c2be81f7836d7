"""`keeper collectors run NAME`: one run of a script, here, with its points and everything that is wrong with them."""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from keeper.collectors import launch
from keeper.collectors.launch import Gone, Process
from keeper.collectors.life import GRACE, RETIRES, said_code
from keeper.collectors.plan import SHIPPED, shipped, terms_of
from keeper.collectors.plugin import Plugin, checked, find
from keeper.commands.paint import painted
from keeper.core.lines import LineSplitter
from keeper.core.point import line
from keeper.errors import KeeperError
from keeper.formats.datapoint import Datapoints, shown
from keeper.runtime.clock import Clock, since_boot
from keeper.settings import Settings

LONG_LIVED = 10.0  # seconds for one that runs on
PIECE = 16 << 10
SHOWN = 2000  # lines
COPY = 1 << 20  # bytes of a line that are looked at


class Shown:
    """What it printed, line by line, as it comes."""

    def __init__(self, output: Datapoints, *, quiet: bool) -> None:
        self.output = output
        self.lines: list[dict[str, Any]] = []
        self._quiet = quiet
        self._splitter = LineSplitter(COPY)
        self._clock = Clock()

    def printed(self, data: bytes) -> None:
        for text in self._splitter.feed(data).splitlines(keepends=True):
            self._line(text)

    def end(self) -> None:
        if rest := self._splitter.flush():
            self._line(rest)

    def complained(self, text: str) -> None:
        self._show({"stderr": text}, f"stderr    {text}", "unknown")

    def _line(self, text: bytes) -> None:
        before = sum(self.output.rejected.values())
        points = self.output.feed(text, self._clock.wall())
        for point in points:
            self._show({"point": line(point)}, f"point     {line(point)}", "ok")
        if sum(self.output.rejected.values()) > before and (bad := self.output.bad) is not None:
            words = f"rejected  {bad.line!r}\n          {bad.reason}: {bad.why}"
            self._show({"rejected": bad.line, "reason": bad.reason, "why": bad.why}, words, "failing")

    def _show(self, value: dict[str, Any], words: str, state: str) -> None:
        if len(self.lines) == SHOWN and not self._quiet:
            print(f"... no more than {SHOWN} lines are shown")
        if len(self.lines) <= SHOWN:
            self.lines.append(value)
            if not self._quiet:
                print(painted(words, state))


def run_once(settings: Settings, name: str, seconds: float | None, *, as_json: bool) -> int:
    """3 when a line was rejected or it ended badly."""
    general = settings.collectors
    if general is None:
        raise KeeperError("there is no [collectors] section")
    plugin = found(settings, name)
    folder = Path(settings.keeper.state_dir) / "collectors"
    terms = terms_of(general, settings.collector, folder)._replace(cookie=f"run-{uuid4().hex}")
    care = terms.care.get(plugin.name, terms.general)
    output = Datapoints(terms.max_series, terms.max_tags, terms.more_tags)
    seen = Shown(output, quiet=as_json)
    most = seconds if seconds is not None else plugin.interval or LONG_LIVED
    began = since_boot()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        folder = Path(terms.folder)
        python_path = str(folder.parent) if terms.folder and (folder / "lib").is_dir() else ""
        # As one that is long-lived: it must not outlive this.
        process = launch.start(plugin.argv, plugin.name, care, terms.cookie, python_path, True)
    except (OSError, LookupError) as error:
        raise KeeperError(f"{plugin.path} cannot be started: {getattr(error, 'strerror', None) or error}") from error
    try:
        gone, told = follow(process, seen, began + most)
    finally:
        launch.sweep(terms.cookie, lambda _pid, _name: False)
    took = since_boot() - began
    ended = f"was stopped after {most:g} s" if told else ended_words(gone.code)
    bad = sum(output.rejected.values()) or (gone.code not in (0, RETIRES) and not told) or (told and plugin.interval)
    if as_json:
        print(json.dumps({
            "name": plugin.name, "path": plugin.path, "interval": plugin.interval, "seconds": took, "exit": gone.code,
            "stopped": told, "points": output.points, "series": output.series, "rejected": dict(output.rejected),
            "memory": gone.memory, "cpu": gone.cpu, "lines": seen.lines,
        }))  # fmt: skip
    else:
        memory = f"{gone.memory / 2**20:.0f} MiB" if gone.memory else "little"
        print(
            f"\n{plugin.path} {ended}; {took:.2f} s, {gone.cpu:.2f} s of processor time, {memory} of memory; "
            f"{output.points} points of {output.series} series, {sum(output.rejected.values())} lines rejected"
        )
    return 3 if bad else 0


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def scripts(settings: Settings) -> dict[str, Plugin]:
    """All that lie in the folder, and keeper's own, by name."""
    general = settings.collectors
    if general is None:
        return {}
    plugins = {name: Plugin(name, argv[-1], 0.0, (0, 0, 0), argv) for name, argv in shipped(general).items()}
    if not general.dir:
        return plugins
    try:
        return {**find(Path(general.dir)).plugins, **plugins}
    except OSError as error:
        raise KeeperError(f"{general.dir} cannot be read: {error.strerror}") from error


def unknown(name: str, known: Iterable[str]) -> KeeperError:
    return KeeperError(f"there is no script {name!r}; known are {', '.join(sorted(known)) or 'none'}")


def found(settings: Settings, name: str) -> Plugin:
    """The script of that name, checked; or a file by its path."""
    plugins = scripts(settings)
    if name in plugins:
        plugin = plugins[name]
    elif "/" in name:
        path = Path(name).resolve()
        interval = float(path.parent.name) if path.parent.name.isdigit() else 0.0
        plugin = Plugin(path.name, str(path), interval, (0, 0, 0), (str(path),))
    else:
        raise unknown(name, plugins)
    if name != SHIPPED and (why := checked(plugin).why_not):
        raise KeeperError(why)
    return plugin


def ended_words(code: int) -> str:
    if code == RETIRES:
        return f"ended with {RETIRES}: it has nothing to do here, and will not be run again"
    return "was ended by " + f"signal {-code}" if code < 0 else said_code(code).removeprefix("it ")


def follow(process: Process, seen: Shown, until: float) -> tuple[Gone, bool]:
    """Show what it prints until it is gone. True when it had to be stopped."""
    told, selector, errors = 0, selectors.DefaultSelector(), LineSplitter(1000)
    for descriptor in process[1:]:
        selector.register(descriptor, selectors.EVENT_READ)
    while True:
        left = until - since_boot()
        if left <= 0:
            launch.signal_group(process.pid, signal.SIGKILL if told else signal.SIGTERM)
            told, until = told + 1, since_boot() + GRACE
            continue
        for key, _ in selector.select(left):
            if key.fd == process.ended:
                gone = launch.reap(process)
                if gone is not None:
                    drain(process, seen, errors)
                    return gone, bool(told)
                continue
            if not read(key.fd, process, seen, errors):
                selector.unregister(key.fd)


def read(descriptor: int, process: Process, seen: Shown, errors: LineSplitter) -> bool:
    """One piece; False at the end."""
    try:
        data = os.read(descriptor, PIECE)
    except BlockingIOError:
        return True
    if descriptor == process.out:
        seen.printed(data)
    else:
        for text in errors.feed(data).splitlines():
            seen.complained(shown(text))
    return bool(data)


def drain(process: Process, seen: Shown, errors: LineSplitter) -> None:
    for descriptor in (process.out, process.err):
        for _ in range(64):
            with suppress(BlockingIOError):
                if read(descriptor, process, seen, errors):
                    continue
            break
    seen.end()
    for text in errors.flush().splitlines():
        seen.complained(shown(text))
