"""The same work on many things, in several processes: for work that keeps a processor busy."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from keeper.errors import KeeperError

Task = TypeVar("Task")
Result = TypeVar("Result")
Tell = Callable[[int], None]
_LOOK = 0.2  # seconds between two looks at whether a process still lives


def side_by_side(
    work: Callable[[Task, Tell], Result], tasks: Sequence[Task], processes: int, progress: Callable[[int, int], None]
) -> list[Result]:
    """Return `work(task, tell)` of every task, in their order. `work` and the tasks must be picklable.

    What `work` tells, a number, reaches `progress(index of the task, number)` here. What it raises is raised here, and
    the other processes are ended; as they are when anything else ends this, such as Ctrl-C. Raises KeeperError when a
    process dies, as under memory pressure.
    """
    if processes < 2 or len(tasks) < 2:
        return [work(task, lambda number, index=index: progress(index, number)) for index, task in enumerate(tasks)]  # type: ignore[misc]
    context = get_context("spawn")  # a fork would copy locks that our threads hold
    results: dict[int, Result] = {}
    left = list(enumerate(tasks))[::-1]
    workers: dict[Connection[Any, Any], BaseProcess] = {}
    busy: dict[Connection[Any, Any], int] = {}
    try:
        for _ in range(min(processes, len(tasks))):
            here, there = context.Pipe()
            process: BaseProcess = context.Process(target=_serve, args=(there, work), daemon=True)
            process.start()
            there.close()
            workers[here] = process
            busy[here], task = left.pop()
            here.send(task)
        while busy:
            for ready in wait(list(busy), _LOOK):
                connection = cast("Connection[Any, Any]", ready)  # the class takes no brackets when it runs
                _take(connection, busy, results, progress)
                if connection not in busy and left:
                    busy[connection], task = left.pop()
                    connection.send(task)
    finally:
        for connection, process in workers.items():
            connection.close()
            process.terminate()
            process.join()
    return [results[index] for index in range(len(tasks))]


def _take(
    connection: Connection[Any, Any],
    busy: dict[Connection[Any, Any], int],
    results: dict[int, Result],
    progress: Callable[[int, int], None],
) -> None:
    """Take one message of a process: how far it is, its result, or what it raised."""
    index = busy[connection]
    try:
        kind, value = connection.recv()
    except (EOFError, ConnectionError) as error:
        raise KeeperError("a process that keeper started was killed; is memory short?") from error
    if kind == "told":
        progress(index, value)
        return
    del busy[connection]
    if kind == "raised":
        raise value
    results[index] = value


def _serve(connection: Connection[Any, Any], work: Callable[[Any, Tell], Any]) -> None:
    """The body of a process: one task after the other until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process ends the others
    with suppress(EOFError, ConnectionError):
        while True:
            task = connection.recv()
            try:
                message = ("done", work(task, lambda number: connection.send(("told", number))))
            except Exception as error:  # noqa: BLE001  # it is raised in the first process
                message = ("raised", error)
            connection.send(message)
