"""Whether a program may be run with keeper's rights. Quick to import: the guard needs it."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def why_not_trusted(path: Path) -> str | None:
    """Why this program must not be run: who can change it, or put another in its place, acts with keeper's rights."""
    try:
        return _why_not(path)
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"


def _why_not(path: Path) -> str | None:
    own = (0, os.geteuid())
    resolved = path.resolve(strict=True)
    if not stat.S_ISREG(resolved.stat().st_mode):
        return f"{path} is no file"
    if not os.access(resolved, os.X_OK):
        return f"{path} may not be executed; chmod u+x it"
    for place in (resolved, *resolved.parents):
        seen = place.stat()
        sticky = stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX
        if seen.st_uid not in own:
            return f"{place} belongs to another user (uid {seen.st_uid}), who could change what keeper runs"
        if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
            return f"{place} can be written by others; chmod go-w {place}"
    return None
