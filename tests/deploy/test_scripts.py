"""The example scripts do what their first lines say, and no secret is ever in a command line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import DEPLOY
from tests.peers.process import run

SCRIPTS = DEPLOY / "scripts"
SECRET = "s3cr3t-of-the-site"
FAKE = '#!/bin/sh\nprintf "%s\\n" "$0 $*" >> "$CALLS"\ncat > /dev/null < /dev/stdin || true\n'


class Api:
    """nodeos' producer API behind something that wants a key; and anything else that is posted to."""

    def __init__(self) -> None:
        self.paused = True
        self.stubborn = False
        self.answers = 201  # the status; 0: hang up without one
        self.posted: list[tuple[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                order = self.path.rpartition("/")[2]
                api.posted.append((self.path, body))
                if "producer" in self.path and self.headers.get("Authorization") != f"Bearer {SECRET}":
                    self.send_error(401)
                    return
                if order in ("pause", "resume") and not api.stubborn:
                    api.paused = order == "pause"
                said = str(api.paused).lower().encode() if order == "paused" else b'{"result":"ok"}'
                if not api.answers:
                    return
                self.send_response(api.answers)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.close()


class Site:
    """A site's files, and programs of ours in front of the real ones that write down how they were called."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.calls.touch()
        bin_ = directory / "bin"
        bin_.mkdir()
        self.env = {
            "PATH": f"{bin_}:/usr/local/bin:/usr/bin:/bin",
            "CALLS": str(self.calls),
            "KEEPER_ACTION": "takeover",
            "KEEPER_HOST": "tokyo-1",
            "KEEPER_ROLE": "B",
            "KEEPER_PRODUCER": "eosstore",
            "KEEPER_API": url,
            "KEEPER_EPOCH": "7",
            "KEEPER_REASON": "our producer missed 1 of its windows",
            "KEEPER_DRILL": "",
        }
        self._bin = bin_

    def program(self, name: str, more: str = "") -> None:
        path = self._bin / name
        path.write_text(FAKE + more)
        path.chmod(0o755)

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def run(self, script: str, **env: str) -> tuple[int, str]:
        done = run([str(SCRIPTS / script)], env={**self.env, **env})
        assert SECRET not in self.calls.read_text(), "a secret stood in a command line"
        return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def site(tmp_path: Path, api: Api) -> Site:
    return Site(tmp_path, api.url)


@pytest.mark.parametrize("script", sorted(SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_a_script_is_one(script: Path) -> None:
    """It may be executed, its shell can read it, and it says how it is configured."""
    assert script.stat().st_mode & 0o111
    assert run(["sh", "-n", str(script)]).returncode == 0
    text = script.read_text()
    assert "set -eu" in text
    assert "= script:/" in text.split("set -eu")[0] or "= /etc/keeper/scripts/" in text.split("set -eu")[0]


def test_resuming_and_pausing_with_a_key_in_a_file(site: Site, api: Api) -> None:
    """The node is resumed and read back; with a wrong key, and by a node that does not heed it, nothing is claimed."""
    header = site.file("header", f"Authorization: Bearer {SECRET}\n")
    assert site.run("takeover-api", KEEPER_HEADER_FILE=header)[0] == 0
    assert not api.paused
    assert site.run("step-down-api", KEEPER_HEADER_FILE=header)[0] == 0
    assert api.paused
    code, _ = site.run("takeover-api", KEEPER_HEADER_FILE=site.file("wrong", "Authorization: Bearer no\n"))
    assert (code, api.paused) == (1, True)
    assert site.run("takeover-api", KEEPER_HEADER_FILE=header, KEEPER_DRILL="1")[0] == 0
    assert api.paused, "a drill changes nothing"
    broken = {"KEEPER_HEADER_FILE": header, "KEEPER_API": "http://127.0.0.1:1"}
    assert site.run("takeover-api", **broken)[0] == 1, "nobody was asked"
    api.answers = 500
    assert site.run("takeover-api", KEEPER_HEADER_FILE=header)[0] == 75, "it may have been done"
    api.answers = 0
    assert site.run("takeover-api", KEEPER_HEADER_FILE=header)[0] == 75, "it may still be done"
    api.answers, api.paused = 201, True
    api.stubborn = True
    assert site.run("takeover-api", KEEPER_HEADER_FILE=header) == (1, "the node said ok to resume, and is paused")


def test_activating_a_finalizer_key_and_registering_a_signing_key(site: Site) -> None:
    """cleos is asked for exactly that, and gets the wallet's password on its standard input."""
    site.program("cleos")
    wallet = site.file("wallet", SECRET)
    conf = site.file("finalizer.conf", "ACCOUNT=eosstore\nPERMISSION=finalizer\nKEY=PUB_BLS_abc\nWALLET=keeper\n")
    code, said = site.run("activate-finalizer-key", KEEPER_FINALIZER_CONF=conf, KEEPER_FINALIZER_WALLET=wallet)
    assert code == 0, said
    assert 'push action eosio actfinkey ["eosstore", "PUB_BLS_abc"] --permission eosstore@finalizer' in (
        site.calls.read_text()
    )
    before = site.calls.read_text()
    code, said = site.run(
        "activate-finalizer-key", KEEPER_FINALIZER_CONF=conf, KEEPER_FINALIZER_WALLET=wallet, KEEPER_DRILL="1"
    )
    assert (code, said, site.calls.read_text()) == (0, "would activate PUB_BLS_abc", before)
    conf = site.file(
        "signing.conf",
        "ACCOUNT=eosstore\nPERMISSION=regprod\nKEY=EOS6M\nURL=https://one.example\nLOCATION=276\nWALLET=keeper\n",
    )
    code, said = site.run("switch-signing-key", KEEPER_SIGNING_CONF=conf, KEEPER_SIGNING_WALLET=wallet)
    assert code == 0, said
    assert "system regproducer eosstore EOS6M https://one.example 276 --permission eosstore@regprod" in (
        site.calls.read_text()
    )
    before = site.calls.read_text()
    code, said = site.run(
        "switch-signing-key", KEEPER_SIGNING_CONF=conf, KEEPER_SIGNING_WALLET=wallet, KEEPER_DRILL="1"
    )
    assert (code, said, site.calls.read_text()) == (0, "would register EOS6M", before)


def test_ending_a_node_by_sudo_and_by_docker(site: Site) -> None:
    """0 only when it is seen to be down."""
    site.program("sudo")
    site.program("systemctl", "exit 3\n")
    assert site.run("kill-systemd")[0] == 0
    assert "stop --no-block nodeos.service" in site.calls.read_text()
    site.program("systemctl", "exit 0\n")
    assert site.run("kill-systemd") == (1, "nodeos.service is still active")
    site.program("docker", "echo false\n")
    assert site.run("kill-docker")[0] == 0
    site.program("docker", "echo true\n")
    assert site.run("kill-docker") == (1, "nodeos runs")


def test_telling_a_person(site: Site, api: Api) -> None:
    """Who, what and why in one line; the address comes from a file."""
    config = site.file("notify.curl", f'url = "{api.url}/hooks/{SECRET}"\n')
    code, said = site.run("notify-person", KEEPER_NOTIFY_FILE=config, KEEPER_ACTION="post_takeover")
    assert code == 0, said
    assert api.posted[-1][1] == (
        "tokyo-1 (role B, eosstore): post_takeover, epoch 7: our producer missed 1 of its windows\n"
    )


def test_a_veto_while_a_file_exists(site: Site) -> None:
    """Its first line is the reason."""
    file = str(site.directory / "maintenance")
    assert site.run("veto-if-maintenance", KEEPER_MAINTENANCE_FILE=file) == (0, "")
    Path(file).write_text("new disks\nuntil noon\n")
    assert site.run("veto-if-maintenance", KEEPER_MAINTENANCE_FILE=file) == (1, "maintenance: new disks")
