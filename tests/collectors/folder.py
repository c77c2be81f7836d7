"""A folder of collector scripts, as a person has it."""

from __future__ import annotations

from pathlib import Path


class Folder:
    """A folder of scripts, written and removed as a person would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o755, parents=True)

    def put(self, name: str, text: str, interval: int = 0, mode: int = 0o755, by: str = "/bin/sh") -> Path:
        path = self.path / str(interval) / name
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o755)
        beside = path.with_name(f".{name}")
        beside.write_text(f"#!{by}\n{text}\n")
        beside.chmod(mode)
        return beside.rename(path)
