"""What nodeos says of single blocks: made, taken, missed, put aside."""

from __future__ import annotations

import re

from keeper.core.event import BlockDropped, BlockProduced, BlockReceived, BlocksMissed, DoubleProduced
from keeper.formats.nodeos_text import ID, NAME, NUMBER, SLOT, Outcome, epoch_of, int_of, latency_of, text_of

# A number counts only with what follows it: a cut line must not turn 3031 into 30.
_TRANSACTIONS = re.compile(rb"[\[ ]trxs: (\d{1,15})[,\] ]")
_LIB = re.compile(rb"[\[ ]lib: (\d{1,15})[,\] ]")

_BLOCK = re.compile(
    rb"(?:Produced|Received) block "
    + ID
    + rb"\.\.\. #"
    + NUMBER
    + rb"(?: \d{1,15})? @ "
    + SLOT
    + rb" (?:signed by|singer:) "
    + NAME
    + rb" {1,4}\["
)
_GENERATED = re.compile(
    NAME
    + rb" generated block (?:([0-9a-f]{8,16})\.\.\. )?#"
    + NUMBER
    + rb" @ "
    + SLOT
    + rb" with "
    + NUMBER
    + rb" trxs(?:, lib: "
    + NUMBER
    + rb"$)?"
)
_PUSHED = re.compile(
    rb"push block #" + NUMBER + rb" from " + NAME + rb" " + SLOT + rb" {1,4}([0-9a-f]{64}) lib: " + NUMBER + rb" "
)
_PUSHED_DAWN2 = re.compile(NAME + rb" #" + NUMBER + rb" @" + SLOT + rb" {1,4}\| " + NUMBER + rb" trx, ")


def produced(at: float, message: bytes) -> Outcome:
    found = _BLOCK.match(message)
    slot = found and epoch_of(found[3], found[4])
    if not found or slot is None:
        return None
    facts = message[found.end() - 1 :]
    return BlockProduced(
        at,
        int(found[2]),
        found[1].decode(),
        slot,
        found[5].decode(),
        int_of(_LIB.search(facts)),
        int_of(_TRANSACTIONS.search(facts)),
    )


def received(at: float, message: bytes) -> Outcome:
    found = _BLOCK.match(message)
    slot = found and epoch_of(found[3], found[4])
    if not found or slot is None:
        return None
    facts = message[found.end() - 1 :]
    return BlockReceived(
        at,
        int(found[2]),
        found[1].decode(),
        slot,
        found[5].decode(),
        int_of(_LIB.search(facts)),
        int_of(_TRANSACTIONS.search(facts)),
        latency_of(facts),
    )


def generated(at: float, message: bytes) -> Outcome:
    found = _GENERATED.match(message)
    slot = found and epoch_of(found[4], found[5])
    if not found or slot is None:
        return None
    lib = int(found[7]) if found[7] else None
    return BlockProduced(at, int(found[3]), (found[2] or b"").decode(), slot, found[1].decode(), lib, int(found[6]))


def pushed(at: float, message: bytes) -> Outcome:
    found = _PUSHED.match(message)
    slot = found and epoch_of(found[3], found[4])
    if not found or slot is None:
        return None
    # The whole id is printed; hexadecimal digits 8 to 24 are what every later generation shows of a received block.
    block_id = found[5][8:24].decode()
    return BlockReceived(at, int(found[1]), block_id, slot, found[2].decode(), int(found[6]), None, None)


def pushed_dawn2(at: float, message: bytes) -> Outcome:
    found = _PUSHED_DAWN2.match(message)
    slot = found and epoch_of(found[3], found[4])
    if not found or slot is None:
        return None
    return BlockReceived(at, int(found[2]), "", slot, found[1].decode(), None, int(found[5]), None)


_MISSED = re.compile(rb"Number of missed blocks: " + NUMBER + rb"$")
_DROPPED = re.compile(
    rb"(?:dropped incoming block|producing, incoming block|producing, fork database head at:) #" + NUMBER + rb"[ ,]"
)


def missed(at: float, message: bytes) -> Outcome:
    found = _MISSED.match(message)
    return BlocksMissed(at, int(found[1])) if found else None


def dropped(at: float, message: bytes) -> Outcome:
    if not message.startswith((b"dropped incoming block", b"producing, ")):
        return None
    return BlockDropped(at, int_of(_DROPPED.match(message)), text_of(message))


_DOUBLE = re.compile(NAME + rb" double produced block (?:#?" + NUMBER + rb")?")


def double(at: float, message: bytes) -> Outcome:
    found = _DOUBLE.match(message)
    if not found:
        return None
    return DoubleProduced(at, found[1].decode(), int(found[2]) if found[2] else None, text_of(message))
