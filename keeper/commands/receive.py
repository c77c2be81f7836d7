"""`keeper receive`: take in packets and lines, make them durable, and have workers store each once."""

from __future__ import annotations

import argparse
import asyncio
import gc
from pathlib import Path

from keeper.config import load
from keeper.errors import KeeperError
from keeper.receiver.outfit import unready
from keeper.runtime.own_log import set_up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.epilog = (
        "Takes Thrift and JSON packets, lines PROD DATE DATA and OpenTSDB's put lines, as [receiver] says. 200 means:\n"
        "on the disk, and in the store soon, once, however often it is sent. The page is on status_listen.\n"
        "SIGHUP takes the [source:NAME] sections anew; all else needs a restart, which loses nothing.\n"
        "SIGTERM stops it: what is owed is answered, workers store what they took, all else waits for the next start.\n"
        "exit code: 0 stopped; 1 wrong configuration, unusable state, taken port, or a part failed\n\n"
        "examples:\n"
        "  keeper receive -c config.ini\n"
        "  curl -d '{\"Login\": [{\"auid\": 7}]}' 'http://127.0.0.1:8016/?packet_id=1'\n"
        "  keeper stats -c config.ini"
    )


def run(args: argparse.Namespace) -> int:
    settings = load(args.config, further=unready)
    set_up(settings.keeper.log_level)
    try:
        import uvloop  # noqa: PLC0415  # an extra: only receivers need it

        from keeper.receiver.server import Receiver  # noqa: PLC0415
    except ImportError as error:
        if (error.name or "").startswith("keeper"):
            raise
        raise KeeperError(
            f"the receiver needs extra packages ({error.name}): pip install 'keeper[receiver]'"
        ) from error

    async def receive() -> int:
        return await Receiver(settings, args.config).run()

    gc.set_threshold(20_000, 20, 50)  # a request leaves no ring behind, and looking for some took a fifth of its time
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(receive())
