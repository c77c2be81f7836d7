"""Parcels of the daemon as the documented files, for programs and people: the same that `keeper collect` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from keeper.delivery.packet import INDEX, NO_RESPONSE, UNSENT, Known, index_line
from keeper.delivery.parcel import Parcel
from keeper.errors import StateError


def write_folder(folder: Path, parcels: Iterable[Parcel], text: Callable[[int], bytes | None]) -> int:
    """Write them to an empty folder and return how many. Those whose text is gone meanwhile are left out.

    Raises StateError when the folder cannot be written.
    """
    written = 0
    try:
        with (
            (folder / UNSENT).open("xb") as unsent,
            (folder / NO_RESPONSE).open("xb") as silent,
            (folder / INDEX).open("xb") as index,
        ):
            for parcel in parcels:
                data = text(parcel.number)
                if data is None:
                    continue
                written += 1
                outcome = parcel.outcome or "unanswered"
                line = b"%d: %s: %s\n" % (parcel.id, parcel.key.encode("utf-8", "surrogateescape"), data)
                if outcome == "unanswered":
                    silent.write(b"[%.3f] %s" % (parcel.at, line))
                else:
                    unsent.write(line)
                index.write(index_line(parcel.id, data, Known(parcel.at, outcome, parcel.code), events=parcel.events))
    except OSError as error:
        raise StateError(f"{folder} cannot be written: {error.strerror}") from error
    return written
