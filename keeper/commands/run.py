"""`keeper run`: watch until stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from keeper.config import load
from keeper.daemon import Daemon
from keeper.runtime.own_log import set_up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.epilog = (
        "SIGHUP reloads the configuration (a bad file is refused and the old one stays), SIGTERM stops within 5 s.\n"
        "exit code: 0 stopped, 1 wrong configuration, unusable state, taken port, or a thread failed\n\n"
        "example: keeper run -c config.ini"
    )


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    set_up(settings.keeper.log_level)
    return Daemon(settings, args.config).run()
