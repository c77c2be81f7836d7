"""Reads small files of /proc, whole."""

from __future__ import annotations

import errno
from pathlib import Path

# Not built into this kernel, or there but switched off (pressure with psi=0).
ABSENT = (errno.ENOENT, errno.EOPNOTSUPP)


def text(path: str) -> str:
    """Return what the file says; bytes that are no UTF-8 survive as surrogates, as in file names."""
    return Path(path).read_text("utf-8", "surrogateescape")


def text_if_any(path: str) -> str:
    """Return what the file says, nothing where this kernel has no such file."""
    try:
        return text(path)
    except OSError as error:
        if error.errno in ABSENT:
            return ""
        raise
