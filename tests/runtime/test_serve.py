"""The HTTP side, asked over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from keeper.errors import KeeperError
from keeper.metrics import Metrics
from keeper.page import render
from keeper.runtime.publish import Publisher
from keeper.runtime.serve import Pages, Server, routes_of
from keeper.runtime.watch import Thread


class Trouble:
    late: str | None = None
    ready: str | None = None


@pytest.fixture
def served() -> Iterator[tuple[str, Trouble]]:
    trouble = Trouble()
    status: dict[str, Any] = Publisher("<b>tokyo</b>", "A", 0.0).status
    registry = Metrics(CollectorRegistry()).registry
    pages = Pages(routes_of(registry, lambda: status, render, lambda: trouble.late, lambda: trouble.ready))
    server = Server("127.0.0.1:0", pages)
    failed: list[str] = []
    Thread("server", lambda _wait: server.run(), failed.append).start()
    yield f"http://{server.address}", trouble
    server.close()
    assert failed == []


def test_page_status_and_metrics_are_served(served: tuple[str, Trouble]) -> None:
    """Every path answers with its type; the page escapes what it shows and loads nothing."""
    url, _ = served
    page = requests.get(url + "/", timeout=5)
    assert "&lt;b&gt;tokyo" in page.text
    assert "<b>tokyo" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert requests.get(url + "/api/v1/status", timeout=5).json()["keeper"]["role"] == "A"
    families = {f.name for f in text_string_to_metric_families(requests.get(url + "/metrics", timeout=5).text)}
    assert "keeper_state_writable" in families


def test_health_and_readiness_tell_why_not(served: tuple[str, Trouble]) -> None:
    """200 while all is well, 503 with the reason otherwise."""
    url, trouble = served
    assert requests.get(url + "/-/healthy", timeout=5).status_code == 200
    trouble.late = "the loop has not turned for 9 s"
    trouble.ready = "not yet"
    answer = requests.get(url + "/-/healthy", timeout=5)
    assert (answer.status_code, answer.text) == (503, "the loop has not turned for 9 s\n")
    assert requests.get(url + "/-/ready", timeout=5).status_code == 503


def test_unknown_paths_and_other_methods_change_nothing(served: tuple[str, Trouble]) -> None:
    """404 names what there is; POST is refused."""
    url, _ = served
    assert requests.get(url + "/etc/passwd", timeout=5).status_code == 404
    assert requests.post(url + "/", data=b"x", timeout=5).status_code == 405
    assert requests.head(url + "/", timeout=5).status_code == 200


def test_a_taken_port_is_said_with_its_cure() -> None:
    """Listening fails at once, naming the address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        pages = Pages({})
        with pytest.raises(KeeperError, match=f"cannot listen on 127.0.0.1:{port}.*another keeper"):
            Server(f"127.0.0.1:{port}", pages)
