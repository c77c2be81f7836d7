"""Whether an agent's settings suffice to send: asked before the night in which it matters."""

from __future__ import annotations

from pathlib import Path

from keeper.actions.trust import why_not_trusted
from keeper.delivery.outfit import wire_of
from keeper.errors import KeeperError
from keeper.settings import AgentSettings


def why_unsendable(settings: AgentSettings) -> str | None:
    """Why nothing of this agent could be sent again, in one sentence; None when it could."""
    if settings.script:
        return why_not_trusted(Path(settings.script))
    if not settings.url:
        return f"[agent:{settings.name}] has neither url nor script"
    try:
        wire_of(settings)
    except KeeperError as error:
        return str(error)
    return None
