"""`keeper letters`: look at what no store would take, and try it again when the cause is mended."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keeper.commands.bars import printable
from keeper.config import load
from keeper.errors import KeeperError
from keeper.receiver.dead_letters import FILE, DeadLetters, Letter, read_letters
from keeper.receiver.home import home
from keeper.receiver.packet import Packet, Poison, unpack
from keeper.receiver.settings import ReceiverSettings
from keeper.receiver.stores.table import open_store
from keeper.runtime.clock import Clock, iso

ALL, SOME = 0, 3
SHOWN = 10  # letters that are shown of each reason
WIDE = 100  # characters of a record that are shown

EPILOG = """\
A record that no store will ever take stands in state_dir/receiver/dead_letters.jsonl, once, with its reason, so that it
blocks nothing. --retry moves that file aside and stores what can be stored now, each packet once; what still cannot
is written to a new dead-letter file. Killed in the middle, run it again with the FILE it names: nothing is lost
or doubled.

exit code: 0 there are none, or all are stored now; 3 there are some; 1 wrong configuration, or the store is away

examples:
  keeper letters -c config.ini
  keeper letters -c config.ini --retry
"""


class Told(NamedTuple):
    """What a retry came to."""

    fresh: int
    repeated: int
    left: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, default=Path("/etc/keeper/config.ini"))
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the one that workers write to")
    parser.add_argument("--retry", action="store_true", help="store them now")
    parser.add_argument("--json", action="store_true", help="one JSON object a letter, or about the retry")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if settings.receiver is None:
        raise KeeperError(f"{args.config} has no [receiver], so there are no letters")
    live = home(settings.keeper.state_dir) / FILE
    path: Path = args.file or live
    if args.file is None and not live.exists():
        return _none(args.json)
    if not args.retry:
        letters = list(read_letters(path))
        (_print_json if args.json else _print)(letters)
        return SOME if letters else ALL
    wall = Clock().wall
    if path.resolve() == live.resolve():
        # With our number, as another one may be started in this very second.
        path = live.with_name(f"dead_letters-{iso(wall())[:19].replace(':', '')}-{os.getpid()}.jsonl")
        try:
            moved = DeadLetters(live, wall).move(path)
        except OSError as error:
            raise KeeperError(f"cannot move {live} aside: {error.strerror}") from error
        if not moved:
            return _none(args.json)
    try:
        told = _retry(settings.receiver, settings.keeper.state_dir, path, DeadLetters(live, wall))
    except (KeeperError, OSError) as error:
        raise KeeperError(f"{error}; what is not stored stands in {path}: keeper letters {path} --retry") from error
    if args.json:
        print(json.dumps({"file": str(path), **told._asdict()}))
    else:
        print(f"{path}: {told.fresh} packets stored, {told.repeated} were there, {told.left} are letters again")
    return SOME if told.left else ALL


def _none(by_machine: bool) -> int:
    if not by_machine:
        print("no letters: every record could be stored")
    return ALL


def _retry(settings: ReceiverSettings, state_dir: str, path: Path, dead: DeadLetters) -> Told:
    store = open_store(settings, state_dir)
    fresh = repeated = left = 0
    try:
        for letter in read_letters(path):
            try:
                stored = store.store([_packet(letter)])
            except Poison as error:
                dead.add([(letter.record, str(error))])
                left += 1
            else:
                fresh, repeated = fresh + stored.fresh, repeated + stored.repeated
    finally:
        store.close()
    return Told(fresh, repeated, left)


def _packet(letter: Letter) -> Packet:
    if not letter.record:
        raise Poison(letter.reason)
    return unpack(letter.record)


def _print(letters: list[Letter]) -> None:
    reasons = Counter(letter.reason for letter in letters)
    for reason, count in reasons.most_common():
        print(f"{count} x {printable(reason)}")
        for line in _some(letter for letter in letters if letter.reason == reason):
            print(f"  {line}")
    all_of_them, them = (f"{len(letters):,} letters", "them") if len(letters) != 1 else ("1 letter", "it")
    print(f"{all_of_them}; when the cause is mended, --retry stores {them}")


def _some(letters: Iterator[Letter]) -> Iterator[str]:
    for number, letter in enumerate(letters):
        if number == SHOWN:
            yield "..."
            return
        text = letter.record[:WIDE].decode("utf-8", "backslashreplace")
        yield f"{letter.at[:19]} {printable(text)}"


def _print_json(letters: list[Letter]) -> None:
    for letter in letters:
        print(json.dumps({**letter._asdict(), "record": letter.record.decode("utf-8", "backslashreplace")}))
