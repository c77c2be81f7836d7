"""Collector scripts that fare as scripts do, and a TSD that refuses a part of what they measure."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.collectors.folder import Folder
from tests.opentsdb.tsd import Tsd

STEADY = 'echo "steady.value $(date +%s) 1"'
BROKEN = "echo 'broken is no point'; echo 'ERROR: nothing to measure' >&2; exit 1"
STUBBORN = "trap '' TERM; while :; do sleep 1; done"
CHATTY = """
while :; do
    n=$((n + 1))
    echo "chatty.number $(date +%s) $n"
    echo "chatty.refused $(date +%s) $n"
    echo "chatty is no point"
    sleep 1
done
"""


def _judge(point: bytes) -> bytes:
    metric = point.split()[0]
    return b"put: unknown metric: No such name for 'metrics': '%s'\n" % metric if metric == b"chatty.refused" else b""


class ScriptedCollectors:
    """One script that is well and always says the same, one that fails, one that does not end when it is told to, and
    one of whose lines a part are no points, and others refused by the TSD; beside them all that keeper ships. Starts
    with `with`."""

    def __init__(self, directory: Path) -> None:
        self._folder = Folder(directory)
        self._folder.put("steady", STEADY, interval=1)
        self._folder.put("broken", BROKEN, interval=1)
        self._folder.put("stubborn", STUBBORN, interval=1)
        self._folder.put("chatty", CHATTY)
        self._open = ExitStack()
        self._tsd = Tsd(_judge)

    def settings(self) -> str:
        """The sections that have keeper run them. CPU time is said to be a counter, the rest is not."""
        return (
            f"[collectors]\ndir = {self._folder.path}\nevery = 1s\n"
            "shipped = load, memory, disk, network, tcp, process:prometheus\ntype.proc.stat.cpu = counter\n"
            f"[opentsdb]\nhosts = 127.0.0.1:{self._tsd.port}\ntimeout = 2s\n"
            "[rule:collector_failing]\nwindow = 1s\n"
        )

    def end_opentsdb(self) -> None:
        """From now on nobody listens there."""
        self._open.close()

    def __enter__(self) -> Self:
        self._open.enter_context(self._tsd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_opentsdb()
