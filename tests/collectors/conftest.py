"""A runner in this process with real scripts in a real folder, and what it told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from keeper.collectors.ready import Ready
from keeper.collectors.runner import Runner
from keeper.collectors.terms import Terms
from keeper.runtime.clock import Clock, since_boot
from tests.collectors.folder import Folder


class Ran:
    """A runner and everything it told."""

    def __init__(self, terms: Terms) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.deaf = False  # it takes nothing that is told
        # The children of this process are the tests' own.
        self.runner = Runner(terms, self._tell, Ready(), since_boot, Clock().wall, Random(1), set)

    def _tell(self, message: tuple[Any, ...]) -> bool:
        if not self.deaf:
            self.told.append(message)
        return not self.deaf

    def until(self, done: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
        """Let it run until that is so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := done():
                return found
            self.runner.turn(0.05)
        raise AssertionError(f"waited {seconds:g} s for {what}; told: {self.told[-20:]}")

    def kinds(self, kind: str) -> list[tuple[Any, ...]]:
        return [message for message in self.told if message[0] == kind]

    def points(self, name: str) -> list[tuple[str, int, float]]:
        return [point for kind, *words in self.told if kind == "points" and words[0] == name for point in words[2]]

    def stand(self, name: str) -> dict[str, Any]:
        """As it is now."""
        if name not in self.runner.roster.running:
            self.runner.look()
        if name not in self.runner.roster.running:
            self.runner.look()
        return self.runner.roster.running[name].stand(since_boot())

    def stages(self, name: str) -> list[str]:
        """As they were told, without repetitions."""
        told = [words[1]["stage"] for kind, *words in self.told if kind == "stand" and words[0] == name]
        return [stage for n, stage in enumerate(told) if not n or told[n - 1] != stage]

    def said(self, name: str) -> list[tuple[str, str]]:
        return [(words[1], words[2]) for kind, *words in self.told if kind == "said" and words[0] == name]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "collectors")


@pytest.fixture
def ran(folder: Folder) -> Iterator[Ran]:
    it = Ran(Terms(str(folder.path), f"test-{uuid4().hex}"))
    yield it
    it.runner.stop(0)
