"""`keeper demo` as a new user runs it."""

from __future__ import annotations

import re
import subprocess
import sys

import requests

from tests.peers.browser import dump_dom


def test_the_demo_shows_the_incident_in_the_terminal_on_the_page_and_in_the_metrics() -> None:
    """The missed window is printed, stands on the page in a real browser, and is in /metrics."""
    command = [sys.executable, "-m", "keeper", "demo", "--listen", "127.0.0.1:0", "--speed", "150", "--stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            address = ""
            for line in demo.stdout:
                address = match[1] if (match := re.search(r"page +(http://\S+)", line)) else address
                if "the recording ends" in line:
                    break
            page = dump_dom(address)
            metrics = requests.get(address + "metrics", timeout=5).text
        finally:
            demo.terminate()
    assert "eosstore missed 12 of 12 blocks in its window 20:38:18-20:38:24" in page
    assert "something is wrong" in page
    assert 'keeper_missed_blocks_total{node="B",producer="eosstore"} 24.0' in metrics
    assert 'keeper_rule_state{rule="own_missed",state="failing",subject="C"} 1.0' in metrics
    assert 'keeper_missed_blocks_total{node="B",producer="bpa"}' in metrics


def test_without_a_terminal_the_demo_ends_by_itself() -> None:
    """It plays to the end and exits with 0, having told of the alerts."""
    command = [sys.executable, "-m", "keeper", "demo", "--listen", "127.0.0.1:0", "--speed", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "20:36:19  B  FIRING    own_missed: eosstore missed 12 of 12 blocks" in done.stdout
    assert done.stderr == ""


def test_a_senseless_speed_is_refused() -> None:
    """Exit code 2 and the range that works."""
    command = [sys.executable, "-m", "keeper", "demo", "--speed", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "between 0.1 and 1000" in done.stderr
