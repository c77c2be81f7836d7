"""`keeper reconcile`: what of an agent's packets the receiver really has, and what is truly lost."""

from __future__ import annotations

import argparse
from pathlib import Path

from keeper.delivery.missing import FILE as MISSING
from keeper.errors import KeeperError

EPILOG = f"""\
For each packet that `keeper collect` found, or, without DIR, that the daemon keeps as undelivered, the receiver of
[agent:NAME] confirm is asked whether it has it: by id and content, or, if it came without an id, by content alone. What
it has is noted as delivered in the ledger that `keeper resend` and the daemon read; what it has not got, though all it
accepted before the question is stored, is noted as lost: `keeper resend` sends it, with unknown_outcome = hold, too.
Nothing else is changed, and nothing is sent again.

Packets that were acknowledged once and are not there are no longer the ledger's to send: nothing takes back that they
were acknowledged. They are named, and written to {MISSING} beside the packets, which can be sent as it is with a
ledger of its own. Packets of the ledger whose text is not in DIR are asked for by their ids.

exit code: 0 all of it is proven to be there; 3 something is lost, or missing: resend it; 4 of something nothing is
           known: ask again; 1 wrong configuration or input, or the receiver does not answer

examples:
  keeper reconcile collected -c config.ini --dry-run
  keeper reconcile collected -c config.ini && echo all there
  keeper reconcile -c config.ini --agent stats
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", type=Path, nargs="?", metavar="DIR|FILE", help="what `keeper collect` wrote; default: the daemon's"
    )
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("--agent", metavar="NAME", help="which [agent:NAME] (default: the only one)")
    parser.add_argument("--confirm", metavar="URL", help="the receiver, instead of the configuration's")
    parser.add_argument("--wait", type=_seconds, default=5.0, metavar="SECONDS", help="for its workers, 0 to 30 (5)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the ledger is (default: as for resend)")
    parser.add_argument("--ids", type=Path, metavar="FILE", help="the list of delivered ids (default: ids.ok there)")
    parser.add_argument("--dry-run", action="store_true", help="ask, and write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    try:
        from keeper.commands import reconcile_run  # noqa: PLC0415  # it reads packets as the receiver does
    except ImportError as error:
        raise KeeperError(f"this needs an extra package ({error.name}): pip install 'keeper[receiver]'") from error
    return reconcile_run.run(args)


def _seconds(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal() or float(text) > 30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 30")
    return float(text)
