"""What tests/conftest.py promises about skips and slow tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.peers.process import run

SAMPLE = """\
import pytest

def test_plain():
    pass

@pytest.mark.soak
def test_slow():
    pass
"""


def outcome(path: Path, *arguments: str) -> str:
    """The last line pytest prints for one file, run with tests/conftest.py as a plugin."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "--noconftest"]
    return run([*command, *arguments, str(path)]).stdout.strip().splitlines()[-1].strip("= ")


def test_soak_tests_run_only_on_request(tmp_path: Path) -> None:
    """A test marked `soak` is left out, unless -m asks for it."""
    path = tmp_path / "test_sample.py"
    path.write_text(SAMPLE)
    assert outcome(path).startswith("1 passed, 1 deselected")
    assert outcome(path, "-m", "soak").startswith("1 passed, 1 deselected")
    assert outcome(path, "-m", "soak or not soak").startswith("2 passed")


@pytest.mark.parametrize(
    "body",
    [
        "def test_skips():\n    pytest.skip('no peer')\n",
        "@pytest.mark.skip('no peer')\ndef test_marked():\n    pass\n",
        "pytest.skip('no peer', allow_module_level=True)\n",
        "@pytest.fixture\ndef peer():\n    pytest.skip('no peer')\n\ndef test_fixture(peer):\n    pass\n",
    ],
    ids=["in the test", "by a mark", "a whole file", "in a fixture"],
)
def test_a_skip_fails_where_skips_are_forbidden(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With KEEPER_FORBID_SKIPS each kind of skip is a failure; without it, it is a skip."""
    path = tmp_path / "test_sample.py"
    path.write_text(f"import pytest\n\n{body}")
    monkeypatch.delenv("KEEPER_FORBID_SKIPS", raising=False)
    assert outcome(path).startswith("1 skipped")
    monkeypatch.setenv("KEEPER_FORBID_SKIPS", "1")
    assert outcome(path).startswith(("1 failed in", "1 error in"))
