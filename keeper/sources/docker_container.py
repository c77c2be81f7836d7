"""What the Docker engine says of a container, as far as keeper needs it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Container:
    """What keeper needs to know of a container. Times are the engine's own texts. `max_size` in bytes and `max_files`
    as the logging driver keeps them, 0 where it keeps everything."""

    id: str
    name: str
    tty: bool
    running: bool
    driver: str
    max_size: int
    max_files: int
    created: str
    started: str
    finished: str


def container_of(said: dict[str, Any]) -> Container:
    """Read what inspect says. Raises KeyError when that is no container."""
    log = said["HostConfig"]["LogConfig"]
    state = said["State"]
    driver = str(log["Type"])
    max_size, max_files = retention(driver, log.get("Config") or {})
    return Container(
        id=str(said["Id"]),
        name=str(said["Name"]).removeprefix("/"),
        tty=bool(said["Config"]["Tty"]),
        running=bool(state["Running"]),
        driver=driver,
        max_size=max_size,
        max_files=max_files,
        created=str(said["Created"]),
        started=str(state["StartedAt"]),
        finished=str(state["FinishedAt"]),
    )


def retention(driver: str, options: dict[str, str]) -> tuple[int, int]:
    """Bytes of a file and number of files the driver keeps of a log; (0, 0) when it deletes nothing, or is not known.

    Defaults: json-file keeps everything; `local`, and the cache beside drivers that cannot be read, 5 files of 20 MB.
    """
    if driver == "json-file":
        size, files = options.get("max-size", ""), options.get("max-file", "1")
    elif driver == "local":
        size, files = options.get("max-size", "20m"), options.get("max-file", "5")
    elif driver == "journald":
        return 0, 0
    else:
        size, files = options.get("cache-max-size", "20m"), options.get("cache-max-file", "5")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", size.strip().lower())
    if not match or not files.isdigit():
        return 0, 0
    return int(float(match[1]) * 1000 ** " kmgt".index(match[2] or " ")), max(1, int(files))
