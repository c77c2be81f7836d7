"""`collected-missing`: packets that a server acknowledged once, and that the receiver has not got.

The ledger takes nothing back, so no resend with it sends them again: the file, in the documented format, is for a
person, who sends it with a ledger of its own. Every reconciliation writes it anew, and removes it when there are none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from keeper.delivery.plan import Item
from keeper.errors import StateError

FILE = "collected-missing"
WHY = b"# acknowledged, but the receiver has not got it\n"


def write_missing(path: Path, items: Sequence[Item], text: Callable[[Item], bytes | None]) -> None:
    """`text` gives a packet's list, None when it is no longer kept. Raises StateError; then the file is as it was."""
    try:
        if not items:
            path.unlink(missing_ok=True)
            return
        new = path.with_name(f"{path.name}.new")
        with new.open("wb") as file:
            for item in items:
                if (data := text(item)) is not None:
                    file.write(WHY + b"%d: %s: %s\n" % (item.id, item.key.encode("utf-8", "surrogateescape"), data))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}") from error
