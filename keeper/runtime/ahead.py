"""Reading ahead: another thread fetches the next pieces while this one works on the last."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

DEPTH = 16  # pieces fetched and not yet taken
_STOPPED_WITHIN = 0.1  # seconds until the thread sees that nobody takes any more


def ahead(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same pieces in the same order. What fetching raises is raised here, in its place."""
    fetched: queue.Queue[bytes | BaseException | None] = queue.Queue(DEPTH)
    stop = threading.Event()
    thread = threading.Thread(target=_fetch, args=(pieces, fetched, stop), name="ahead", daemon=True)
    thread.start()
    try:
        while (piece := fetched.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stop.set()
        thread.join()


def _fetch(pieces: Iterable[bytes], fetched: queue.Queue[bytes | BaseException | None], stop: threading.Event) -> None:
    end: BaseException | None = None
    try:
        for piece in pieces:
            if not _put(piece, fetched, stop):
                return
    except BaseException as error:  # noqa: BLE001  # it is raised where the pieces are taken
        end = error
    if end is not None:
        _put(end, fetched, stop)
    _put(None, fetched, stop)


def _put(
    piece: bytes | BaseException | None, fetched: queue.Queue[bytes | BaseException | None], stop: threading.Event
) -> bool:
    """False when nobody takes the pieces any more."""
    while not stop.is_set():
        try:
            fetched.put(piece, timeout=_STOPPED_WITHIN)
        except queue.Full:
            continue
        return True
    return False
