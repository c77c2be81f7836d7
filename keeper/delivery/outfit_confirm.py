"""What an agent's settings say of asking the receiver. It reads packets as the receiver does, with its packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from keeper.core.source import Now, Wait
from keeper.delivery.confirming import Confirming
from keeper.delivery.imprint import Imprint
from keeper.delivery.outfit import wire_of
from keeper.notifiers.post import bearer
from keeper.receiver.inputs.input import Input
from keeper.receiver.inputs.json_packets import JsonInput
from keeper.receiver.inputs.thrift import thrift_input
from keeper.settings import AgentSettings
from keeper.sources.http_get import Http

ANSWER_WITHIN = 30.0  # seconds, beside what the receiver waits for its workers


def confirming_of(
    settings: AgentSettings, patience: float, now: Now, wait: Wait, chance: Callable[[], float]
) -> Confirming:
    """For one thread. `patience` is how long the receiver may wait for its workers."""
    has_login = urlsplit(settings.confirm).username is not None
    headers = {"Authorization": bearer(settings.token)} if settings.token and not has_login else {}
    timeout = patience + min(settings.request_timeout, ANSWER_WITHIN)
    http = Http(now, settings.ca_file)
    return Confirming(http, settings.confirm, settings.confirm_source or None, headers, patience, timeout, wait, chance)


def imprint_of(settings: AgentSettings) -> Imprint:
    """Raises KeeperError when the IDL is missing or cannot be understood."""
    wire = wire_of(settings)
    read: Input = JsonInput() if settings.wire == "json" else thrift_input(Path(settings.idl))
    return Imprint(settings.name, (wire, wire.as_logged()), read)
