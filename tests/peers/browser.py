"""A real browser without a screen: what a person sees on a page, as a picture and as the finished document."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.peers import installed
from tests.peers.process import run

QUIET = (
    "--headless",
    "--no-sandbox",  # its sandbox refuses to run as root, which containers' tests are
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--hide-scrollbars",
)


def screenshot(url: str, picture: Path, width: int = 1280, height: int = 900, settle: float = 2.0) -> Path:
    """Write a PNG of the page, after `settle` seconds of the page's own (virtual) time, and return its path."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    words = _chromium(url, settle, f"--screenshot={picture.resolve()}", f"--window-size={width},{height}")
    assert picture.exists(), f"no screenshot of {url}: {words[-2000:]}"
    return picture


def dump_dom(url: str, settle: float = 2.0) -> str:
    """The document as HTML after its scripts ran for `settle` seconds of the page's own (virtual) time."""
    return _chromium(url, settle, "--dump-dom")


def _chromium(url: str, settle: float, *arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="keeper-browser-", ignore_cleanup_errors=True) as profile:
        budget = f"--virtual-time-budget={round(settle * 1000)}"
        done = run([installed("chromium"), *QUIET, f"--user-data-dir={profile}", budget, *arguments, url])
    assert done.returncode == 0, f"chromium on {url}: {done.stderr[-2000:]}"
    return done.stdout or done.stderr
