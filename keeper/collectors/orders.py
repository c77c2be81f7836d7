"""What people said about collectors: a small file that commands write and keeper reads when it changes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from keeper.errors import KeeperError

FILE = "orders.json"
MOST = 2000
MAX_BYTES = 1 << 20


class Said(NamedTuple):
    """Wall clock seconds, who and why."""

    at: float
    who: str
    why: str


class Orders(NamedTuple):
    """`disabled` by the collector's name; `again`: when it was last said to be run at once."""

    disabled: dict[str, Said]
    again: dict[str, float]


NONE = Orders({}, {})


def read_orders(folder: Path) -> Orders:
    """Nothing where there is no file. Raises KeeperError for one that is not what `write_orders` wrote."""
    path = folder / FILE
    try:
        with path.open("rb") as opened:
            said = json.loads(opened.read(MAX_BYTES))
        disabled = {str(name): Said(float(at), str(who), str(why)) for name, (at, who, why) in said["disabled"].items()}
        return Orders(disabled, {str(name): float(at) for name, at in said["again"].items()})
    except FileNotFoundError:
        return NONE
    except OSError as error:
        raise KeeperError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeeperError(f"{path} is damaged; remove it: then no collector is disabled") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """What is read and written meanwhile, nobody else changes in between. Raises KeeperError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise KeeperError(_unwritable(folder, error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _unwritable(path: Path, error: OSError) -> str:
    return f"{path} cannot be written: {error.strerror}; run this as the user keeper runs as"


def write_orders(folder: Path, orders: Orders) -> None:
    """Replace the file whole. Raises KeeperError."""
    path = folder / FILE
    kept = dict(sorted(orders.again.items(), key=lambda item: item[1])[-MOST:])
    value: dict[str, Any] = {"disabled": orders.disabled, "again": kept}
    beside = path.with_suffix(f".{os.getpid()}")
    try:
        with beside.open("w") as opened:
            json.dump(value, opened)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(path)
    except OSError as error:
        raise KeeperError(_unwritable(path, error)) from error
