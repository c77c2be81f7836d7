"""What the receiver shows of itself on `status_listen`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from prometheus_client import CollectorRegistry

from keeper.receiver.page import render
from keeper.receiver.standing import Standing
from keeper.runtime.serve import Answer, Pages, routes_of

STATUS = "/api/v1/status"


class ReceiverPages(Pages):
    """Page, metrics, status, health, readiness. `standing` is called by several threads at once."""

    def __init__(
        self,
        registry: CollectorRegistry,
        standing: Callable[[], Standing],
        late: Callable[[], str | None],
        ready: Callable[[], str | None],
    ) -> None:
        routes = routes_of(registry, lambda: standing().shown(), render, late, ready)
        super().__init__({**routes, STATUS: lambda environ: _status(standing(), environ.get("QUERY_STRING", ""))})


def _status(standing: Standing, query: str) -> Answer:
    """All of it, or with `counts=no` without what each source and type counted: keeper asks every second, and takes no
    more than 1 MiB."""
    told = replace(standing, counts=(), sources={}) if query == "counts=no" else standing
    return Answer("200 OK", "application/json", json.dumps(told.shown()).encode())
