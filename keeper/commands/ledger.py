"""`keeper ledger`: the ids of what was delivered, as the old tools know them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from keeper.commands.parse import chunks_of
from keeper.core.lines import LineSplitter
from keeper.delivery.appended import Unchanged
from keeper.delivery.ledger import Fate, Ledger, Note, entries, home, read_ids
from keeper.delivery.resend_log import confirmed
from keeper.errors import KeeperError
from keeper.runtime.clock import Clock, iso

ID_SHIFT = 100_000_000
EPILOG = """\
DIR is the work folder of a resend, or the collected folder beside it. resend.ledger says what became of each packet,
ids.ok lists the delivered ids.

  import   believe the ids of other lists (one id a line), and add them to both files
  export   write the delivered ids, one a line, to a new file or standard output
  rebuild  believe what resend logs say was answered with 200: those of the old tools and keeper's own resend.log
  show     how many packets have which fate, and the newest lines

examples:
  keeper ledger show collected
  keeper ledger import collected logs/ids.ok
  keeper ledger rebuild collected resend.log resend.log.1.gz
  keeper ledger export collected -o ids.ok
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("import", "export", "rebuild", "show"))
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of the resend")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="lists of ids, or resend logs (.gz, .xz)")
    parser.add_argument("-o", "--output", type=Path, help="for export: a file that does not exist yet")
    parser.add_argument("--ids", type=Path, metavar="FILE", help="the list of delivered ids (default: ids.ok in DIR)")
    parser.add_argument("--id-shift", type=int, default=ID_SHIFT, help="what was added to ids in logs (100000000)")
    parser.add_argument("--last", type=int, default=10, metavar="N", help="for show: how many of the newest lines")
    parser.add_argument("--json", action="store_true", help="for show: one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        raise KeeperError(f"{args.folder} is not a folder; give the one that holds the packets and their ids.ok")
    adding = args.action in ("import", "rebuild")
    if adding and not args.files:
        raise KeeperError(f"keeper ledger {args.action} DIR FILE...: which files?")
    folder = home(args.folder)
    clock = Clock()
    at = lambda: iso(clock.wall())  # noqa: E731  # a name for two uses
    ledger = Ledger.open(folder, at, args.ids) if adding else Ledger.open(folder, at, args.ids, Unchanged)
    try:
        for remark in ledger.remarks:
            print(remark, file=sys.stderr)
        if args.action == "import":
            take_in(ledger, args.files)
        elif args.action == "rebuild":
            rebuild(ledger, args.files, args.id_shift)
        elif args.action == "export":
            export(ledger, args.output)
        else:
            show(ledger, folder, args.last, as_json=args.json)
    finally:
        ledger.close()
    return 0


def take_in(ledger: Ledger, files: Iterable[Path]) -> None:
    for path in files:
        told = read_ids(lines_of(path), str(path))
        news = ledger.add_ids(told.ids, path.name)
        for sentence in told.wrong:
            print(sentence, file=sys.stderr)
        print(f"{path}: {len(told.ids):,} ids, {news:,} of them new, {len(told.wrong):,} wrong lines")


def rebuild(ledger: Ledger, files: Iterable[Path], id_shift: int) -> None:
    for path in files:
        found = list(dict.fromkeys(confirmed(lines_of(path), id_shift)))
        known = [one for one in found if one.content and ledger.fate(one.id, one.content) is not Fate.DELIVERED]
        ledger.note(Note(one.id, str(one.content), Fate.DELIVERED, f"rebuilt from {path.name}") for one in known)
        news = ledger.add_ids((one.id for one in found if not one.content), path.name)
        print(f"{path}: {len(found):,} packets were answered with 200, {len(known) + news:,} of them news")


def export(ledger: Ledger, output: Path | None) -> None:
    text = "".join(f"{id}\n" for id in ledger.delivered_ids())
    if output is None:
        print(text, end="")
        return
    try:
        with output.open("x") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise KeeperError(f"{output} exists; nothing is overwritten") from error
    except OSError as error:
        raise KeeperError(f"{output} cannot be written: {error.strerror}") from error


def show(ledger: Ledger, folder: Path, last: int, *, as_json: bool) -> None:
    counts = ledger.counts()
    newest = entries(folder, last)
    if as_json:
        print(json.dumps({"counts": counts, "delivered_ids": len(ledger.delivered_ids()), "newest": newest}))
        return
    for name, count in counts.items():
        print(f"  {count:>9,}  {name}")
    for entry in newest:
        why = entry.get("why") or entry.get("from")
        what = f"{entry.get('did'):<9} {entry.get('id', entry.get('to'))}"
        print(f"{str(entry.get('at'))[:19]}  {what}{f'  {why}' if why else ''}")


def lines_of(path: Path) -> Iterable[bytes]:
    splitter = LineSplitter()
    for data in chunks_of(path):
        yield from splitter.feed(data).splitlines()
    yield from splitter.flush().splitlines()
