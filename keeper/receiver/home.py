"""Where the receiver keeps what is its own."""

from __future__ import annotations

from pathlib import Path

from keeper.durable import make_folder
from keeper.errors import StateError

FOLDER = "receiver"  # in state_dir


def home(state_dir: str) -> Path:
    """The folder, there. Raises StateError."""
    folder = Path(state_dir) / FOLDER
    try:
        make_folder(folder)
    except OSError as error:
        raise StateError(f"{folder} cannot be made: {error.strerror}") from error
    return folder
