"""Which stores were begun, noted in the receiver's own folder.

Where one was and none is now, its disk is not mounted perhaps. A new, empty one in its place would say of all that
stands in the old one that it never came, and take it a second time.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from keeper.durable import make_folder, sync_folder
from keeper.receiver.stores.store import StoreError

FOLDER = "stores"
SHOWN = 50  # characters of a store's name


class Begun:
    """`home` is the receiver's own folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER

    def allow(self, store: Path) -> None:
        """A new one may be begun. Raises StoreError when there was one, which says where that is noted."""
        note = self._note(store)
        if note.exists():
            raise StoreError(
                f"{store} was begun before and is not there: mount its disk, or put it back; to begin a new, empty "
                f"one, remove {note}"
            )

    def note(self, store: Path) -> None:
        """It is there. Where that cannot be noted, on a full disk, it is tried again when the store is opened again: to
        store what waits is what makes room."""
        note = self._note(store)
        with suppress(OSError):
            if not note.exists():
                make_folder(self._folder.parent)
                make_folder(self._folder)
                with note.open("xb") as file:
                    file.write(os.fsencode(store) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                sync_folder(self._folder)

    def _note(self, store: Path) -> Path:
        whole = os.fsencode(store)  # its own name may be as long as names can be
        return self._folder / f"{store.name[:SHOWN]}-{hashlib.sha256(whole).hexdigest()[:16]}"
