"""The same work in several processes: results in the order of the tasks, whatever happens in the processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import active_children

import pytest

from keeper.errors import KeeperError
from keeper.runtime.side_by_side import side_by_side


def work(task: int, tell: Callable[[int], None]) -> tuple[int, int]:
    """Negative tasks go wrong."""
    tell(task)
    if task == -1:
        raise OSError(5, "the disk is gone", "/x")
    if task == -2:
        os.kill(os.getpid(), signal.SIGKILL)
    tell(10 * task)
    return task, os.getpid()


def nothing(index: int, number: int) -> None: ...


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(processes: int) -> None:
    """And what each tells, with the task it belongs to, in the order it was told."""
    told: list[tuple[int, int]] = []
    results = side_by_side(work, range(7), processes, lambda index, number: told.append((index, number)))
    assert [task for task, _ in results] == list(range(7))
    assert sorted(told) == sorted((task, number) for task in range(7) for number in (task, 10 * task))
    assert [number for index, number in told if index == 6] == [6, 60]
    workers = {worker for _, worker in results}
    assert len(workers) <= processes and (os.getpid() in workers) == (processes == 1)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_raised_in_a_process_is_raised_here(processes: int) -> None:
    with pytest.raises(OSError, match="the disk is gone") as raised:
        side_by_side(work, [1, -1, 2, 3], processes, nothing)
    assert raised.value.filename == "/x"


def test_a_process_that_is_killed_ends_it_all_with_a_reason() -> None:
    with pytest.raises(KeeperError, match="was killed; is memory short"):
        side_by_side(work, [1, -2, 2, 3], 2, nothing)
    assert not active_children()
