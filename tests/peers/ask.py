"""Questions to real peers, and waiting for what they will answer. Proxies of the environment are not for loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

Answer = TypeVar("Answer")

PATIENCE = 10.0  # seconds for one HTTP answer of a peer on a busy machine


def eventually(question: Callable[[], Answer], what: str, deadline: float = 20.0, every: float = 0.05) -> Answer:
    """Ask until the answer is truthy and return it.

    `deadline` and `every` in seconds. OSError and requests' errors (both OSErrors) mean "not yet".
    Raises AssertionError with `what` and the last answer or error when the deadline passes.
    """
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            answer = question()
            if answer:
                return answer
            last = answer
        except OSError as error:
            last = error
        if time.monotonic() >= end:
            raise AssertionError(f"waited {deadline:g} s for {what}; last: {last!r}")
        time.sleep(every)


def get(url: str, **parameters: Any) -> requests.Response:
    """GET; raises requests.HTTPError for 4xx and 5xx with the body's beginning."""
    return _ask("GET", url, params=parameters)


def get_json(url: str, **parameters: Any) -> Any:
    return get(url, **parameters).json()


def post_json(url: str, body: object = None) -> Any:
    """POST `body` as JSON and return the JSON answer, None when there is no body in it."""
    answer = _ask("POST", url, json={} if body is None else body)
    return answer.json() if answer.content else None


def answers(url: str) -> bool:
    """True when a GET gets a 2xx."""
    try:
        return get(url).ok
    except requests.RequestException:
        return False


def listens(port: int) -> bool:
    """True when something on loopback accepts connections on this TCP port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _ask(method: str, url: str, **keywords: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, timeout=PATIENCE, **keywords)
    if not answer.ok:
        raise requests.HTTPError(f"{method} {url}: {answer.status_code} {answer.text[:2000]}", response=answer)
    return answer
