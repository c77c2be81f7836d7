"""Numbers from 1 to 250: each belongs to one test run on the machine, and is found again when that was killed.

A file for each number is locked while it is in use, which the kernel undoes whatever becomes of the run, and has
something in it until what was made under that number is gone.
"""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Callable
from pathlib import Path

NUMBERS = range(1, 251)


class Claim:
    """A number, until `release()`."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; what was made under it must be gone."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def claim(place: Path, busy: Callable[[int], bool], clean: Callable[[int], None]) -> Claim:
    """Take a number that nobody has and that is not `busy`; first `clean` up after runs that were killed."""
    place.mkdir(parents=True, exist_ok=True)
    for path in place.iterdir():
        descriptor = _lock(path)
        if descriptor is None:
            continue
        if os.fstat(descriptor).st_size:
            clean(int(path.name))
        Claim(int(path.name), descriptor).release()
    for number in random.SystemRandom().sample(NUMBERS, len(NUMBERS)):
        descriptor = _lock(place / str(number))
        if descriptor is None:
            continue
        if not busy(number):
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return Claim(number, descriptor)
        os.close(descriptor)
    raise AssertionError(f"all of {len(NUMBERS)} numbers are in use: {place}")


def _lock(path: Path) -> int | None:
    """The locked file, not inherited by the programs of the test; None when somebody else has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
