"""What nodeos says, as events: one small reader for each sentence, found by the message's first or second word.

Text that other people can choose is read only where it cannot say more than they can do anyway: of a line that begins
with a peer's name (`["name - id" - 3 1.2.3.4:9876] ...`) nothing but a rejected block is believed, and any peer can
have a block rejected by sending a bad one. A name that imitates the end of its own quotation makes the line void.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from keeper.core.event import (
    BlockDropped,
    BlockProduced,
    BlockReceived,
    BlockRejected,
    BlocksMissed,
    DoubleProduced,
    Event,
    ForkSwitched,
    LogException,
    NodeStarted,
    NodeStopped,
    NotProducing,
    PeerCount,
    ProducerPaused,
    ProducerResumed,
    ResourceWarned,
    ScheduleProposed,
)
from keeper.formats.nodeos_prefix import minute, seconds

ERROR_LEVELS = (b"error", b"warn")
MAX_DETAIL = 20  # continuation lines kept with an exception
MAX_TEXT = 500  # bytes of a sentence or continuation line kept

NUMBER = rb"(\d{1,15})"
NAME = rb"([\w.-]{1,64})"
ID = rb"([0-9a-f]{8,16})"


class Held(NamedTuple):
    """An error that waits for its continuation lines.

    `reason` is set when it is known to be a rejected block. `certain` is False where only lines that follow would make
    it an exception (an error line nobody knows).
    """

    at: float
    reason: str | None
    number: int | None
    message: bytes
    certain: bool


Outcome: TypeAlias = Event | Held | None
Reader: TypeAlias = Callable[[float, bytes], Outcome]


def text_of(message: bytes) -> str:
    """Decode a sentence for people, cut at MAX_TEXT bytes, without blanks at its end."""
    return message[:MAX_TEXT].rstrip().decode("utf-8", "replace")


def block_time(message: bytes) -> float | None:
    """Return the time a message gives to the block it speaks of, None if it has none."""
    found = _BLOCK_TIME.search(message, 0, 256)
    return None if found is None else _epoch(found[1], found[2])


def latency_of(message: bytes) -> float | None:
    """Return the latency in seconds that ends a block line, None where there is none."""
    found = _LATENCY.findall(message[-256:])
    return int(found[-1]) / 1000 if found else None


_BLOCK_TIME = re.compile(rb"(?:@ ?|from [\w.-]{1,64} )(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d(?:\.\d{1,9})?)")
_LATENCY = re.compile(rb" latency: (-?\d{1,15}) ms")
# A number counts only with what follows it: a cut line must not turn 3031 into 30.
_TRANSACTIONS = re.compile(rb"[\[ ]trxs: (\d{1,15})[,\] ]")
_LIB = re.compile(rb"[\[ ]lib: (\d{1,15})[,\] ]")


def _epoch(day_minute: bytes, second: bytes) -> float | None:
    try:
        return minute(day_minute) + seconds(second)
    except ValueError:
        return None


def _int(found: re.Match[bytes] | None) -> int | None:
    return None if found is None else int(found[1])


# --- blocks


_BLOCK = re.compile(
    rb"(?:Produced|Received) block "
    + ID
    + rb"\.\.\. #"
    + NUMBER
    + rb"(?: \d{1,15})? @ (\S{16}):(\S{2,12}) (?:signed by|singer:) "
    + NAME
    + rb" {1,4}\["
)
_GENERATED = re.compile(
    NAME
    + rb" generated block (?:([0-9a-f]{8,16})\.\.\. )?#"
    + NUMBER
    + rb" @ (\S{16}):(\S{2,12}) with "
    + NUMBER
    + rb" trxs(?:, lib: "
    + NUMBER
    + rb"$)?"
)
_PUSHED = re.compile(
    rb"push block #" + NUMBER + rb" from " + NAME + rb" (\S{16}):(\S{2,12}) {1,4}([0-9a-f]{64}) lib: " + NUMBER + rb" "
)
_PUSHED_DAWN2 = re.compile(NAME + rb" #" + NUMBER + rb" @(\S{16}):(\S{2,12}) {1,4}\| " + NUMBER + rb" trx, ")


def _produced(at: float, message: bytes) -> Outcome:
    found = _BLOCK.match(message)
    slot = found and _epoch(found[3], found[4])
    if not found or slot is None:
        return None
    facts = message[found.end() - 1 :]
    return BlockProduced(
        at,
        int(found[2]),
        found[1].decode(),
        slot,
        found[5].decode(),
        _int(_LIB.search(facts)),
        _int(_TRANSACTIONS.search(facts)),
    )


def _received(at: float, message: bytes) -> Outcome:
    found = _BLOCK.match(message)
    slot = found and _epoch(found[3], found[4])
    if not found or slot is None:
        return None
    facts = message[found.end() - 1 :]
    return BlockReceived(
        at,
        int(found[2]),
        found[1].decode(),
        slot,
        found[5].decode(),
        _int(_LIB.search(facts)),
        _int(_TRANSACTIONS.search(facts)),
        latency_of(facts),
    )


def _generated(at: float, message: bytes) -> Outcome:
    found = _GENERATED.match(message)
    slot = found and _epoch(found[4], found[5])
    if not found or slot is None:
        return None
    lib = int(found[7]) if found[7] else None
    return BlockProduced(at, int(found[3]), (found[2] or b"").decode(), slot, found[1].decode(), lib, int(found[6]))


def _pushed(at: float, message: bytes) -> Outcome:
    found = _PUSHED.match(message)
    slot = found and _epoch(found[3], found[4])
    if not found or slot is None:
        return None
    # The whole id is printed; hexadecimal digits 8 to 24 are what every later generation shows of a received block.
    block_id = found[5][8:24].decode()
    return BlockReceived(at, int(found[1]), block_id, slot, found[2].decode(), int(found[6]), None, None)


def _pushed_dawn2(at: float, message: bytes) -> Outcome:
    found = _PUSHED_DAWN2.match(message)
    slot = found and _epoch(found[3], found[4])
    if not found or slot is None:
        return None
    return BlockReceived(at, int(found[2]), "", slot, found[1].decode(), None, int(found[5]), None)


_MISSED = re.compile(rb"Number of missed blocks: " + NUMBER + rb"$")
_DROPPED = re.compile(
    rb"(?:dropped incoming block|producing, incoming block|producing, fork database head at:) #" + NUMBER + rb"[ ,]"
)


def _missed(at: float, message: bytes) -> Outcome:
    found = _MISSED.match(message)
    return BlocksMissed(at, int(found[1])) if found else None


def _dropped(at: float, message: bytes) -> Outcome:
    if not message.startswith((b"dropped incoming block", b"producing, ")):
        return None
    return BlockDropped(at, _int(_DROPPED.match(message)), text_of(message))


_DOUBLE = re.compile(NAME + rb" double produced block (?:#?" + NUMBER + rb")?")


def _double(at: float, message: bytes) -> Outcome:
    found = _DOUBLE.match(message)
    if not found:
        return None
    return DoubleProduced(at, found[1].decode(), int(found[2]) if found[2] else None, text_of(message))


# --- not producing


_NOT_PRODUCING = b"Not producing block because "
# The sentence's beginning and its word of NOT_PRODUCING_REASONS, all generations.
_REASONS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"production is explicitly paused"), "explicitly_paused"),
    (re.compile(rb"production is disabled until we receive a recent block"), "stale_production_disabled"),
    (re.compile(rb"stale production not enabled"), "stale_production_disabled"),
    (re.compile(rb"it isn't my turn"), "not_my_turn"),
    (re.compile(rb"I don't have (?:the private key|any private keys)"), "no_private_key"),
    (re.compile(rb"node appears to be on a minority fork"), "minority_fork"),
    (re.compile(rb"node didn't wake up"), "woke_too_late"),
    (re.compile(rb"the last block was generated by the same producer"), "same_producer_twice"),
    (re.compile(rb"the irreversible block is too old"), "irreversible_too_old"),
    (re.compile(rb'"[^"]{0,64}" signed a (?:BFT confirmation OR )?block at a higher block number'), "watermark_number"),
    (re.compile(rb'"[^"]{0,64}" signed a block at the next block time or later'), "watermark_time"),
    (re.compile(rb"the block number has been rejected by block vault"), "block_vault_rejected"),
    (re.compile(rb"no recent votes"), "no_recent_votes"),
    (re.compile(rb"max-reversible-blocks "), "too_many_reversible_blocks"),
)


def _not_producing(at: float, message: bytes) -> Outcome:
    if not message.startswith(_NOT_PRODUCING):
        return None
    why = message[len(_NOT_PRODUCING) :]
    reason = next((word for pattern, word in _REASONS if pattern.match(why)), "other")
    return NotProducing(at, reason, text_of(why))


def _unexpected_key(at: float, message: bytes) -> Outcome:
    if message.startswith((b"Unexpected block signing authority, ", b"Block Signing Key is not expected value, ")):
        return NotProducing(at, "no_private_key", text_of(message))
    return _not_applied(at, message)


def _paused(at: float, message: bytes) -> Outcome:
    if message.startswith(b"Producer paused."):
        return ProducerPaused(at)
    return ProducerResumed(at) if message.startswith(b"Producer resumed.") else None


def _pausing(at: float, message: bytes) -> Outcome:
    return ProducerPaused(at) if message.startswith(b"Pausing at block #") else None


# --- forks and rejected blocks


_SWITCHING = re.compile(rb"switching forks from [0-9a-f]{64} \(block number " + NUMBER + rb"[ )]")
_SWITCHING_TO = re.compile(rb" to [0-9a-f]{64} \(block number " + NUMBER + rb"[ )]")
_SWITCHING_DAWN = re.compile(rb"Switching to fork: ([0-9a-f]{8})[0-9a-f]{56}$")


def _switching(at: float, message: bytes) -> Outcome:
    if not message.startswith(b"switching forks from "):
        return None
    from_number = _int(_SWITCHING.match(message))
    return ForkSwitched(at, from_number, _int(_SWITCHING_TO.search(message, 0, 2048)), text_of(message))


def _switching_dawn(at: float, message: bytes) -> Outcome:
    if not message.startswith(b"Switching to fork: "):
        return None
    found = _SWITCHING_DAWN.match(message)
    return ForkSwitched(at, None, int(found[1], 16) if found else None, text_of(message))


# What an exception's name says of a block (exceptions.hpp: the 3030000 family, and 3170003).
_REJECTING: Mapping[bytes, str] = {
    b"unlinkable_block_exception": "unlinkable",
    b"wrong_producer": "wrong_producer",
    b"wrong_signing_key": "wrong_producer",
    b"producer_double_confirm": "double_confirm",
    b"block_validate_exception": "invalid",
    b"block_tx_output_exception": "invalid",
    b"block_concurrency_exception": "invalid",
    b"block_lock_exception": "invalid",
    b"block_resource_exhausted": "invalid",
    b"block_too_old_exception": "invalid",
    b"block_from_the_future": "invalid",
    b"invalid_block_header_extension": "invalid",
    b"ill_formed_protocol_feature_activation": "invalid",
    b"invalid_block_extension": "invalid",
    b"ill_formed_additional_block_signatures_extension": "invalid",
}
_CODE = re.compile(rb"\d{1,8} (\w{1,80}): ")
_NAMED = re.compile(rb": \d{1,8} (\w{1,80}): ")
_WITH_NUMBER = re.compile(rb"(?:Exception on block|exception thrown while applying block) " + NUMBER + rb" ?:")


def _coded(at: float, message: bytes) -> Outcome:
    """`3030001 unlinkable_block_exception: Unlinkable block`, details follow."""
    found = _CODE.match(message)
    if not found:
        return None
    return Held(at, _REJECTING.get(found[1]), None, message, True)


def _exception(at: float, message: bytes) -> Outcome:
    """`Exception on block 396092424: 3030001 unlinkable_block_exception: ...` and its relatives."""
    found = _WITH_NUMBER.match(message)
    if not found:
        return Held(at, None, None, message, True)
    named = _NAMED.search(message, 0, 1024)
    return Held(at, _REJECTING.get(named[1], "invalid") if named else "invalid", int(found[1]), message, True)


_FAILED_TO_LINK = re.compile(rb"Pushing block to fork database that failed to link: [0-9a-f]{64}, " + NUMBER + rb"$")
_PEER_REJECTED = re.compile(
    rb"(unlinkable_block_exception|bad signed_block|bad block exception|block_validate_exception accept block|"
    rb"unlinkable_block|block) (?:(?:connection )?(?:- )?\d{1,15}: )?#?" + NUMBER + rb"[ ,:]"
)
_BAD_UNLINKABLE = re.compile(rb"bad signed_block \d{1,15} [0-9a-f]{8,64}\.\.\.: Unlinkable block")


def _failed_to_link(at: float, message: bytes) -> Outcome:
    if not message.startswith(b"Pushing block to fork database that failed to link"):
        return None
    return BlockRejected(at, "unlinkable", _int(_FAILED_TO_LINK.match(message)), text_of(message))


def _not_applied(at: float, message: bytes) -> Outcome:
    """The line describes the head that stayed, not the block: the number of that one is in the line before."""
    if not message.startswith(b"Block not applied to head "):
        return None
    return BlockRejected(at, "not_applied", None, text_of(message))


def _peer_rejected(at: float, message: bytes) -> Outcome:
    """The net plugin's words about a block a peer sent."""
    found = _PEER_REJECTED.match(message)
    if not found or (found[1] == b"block" and b" not accepted" not in message[:512]):
        return None
    unlinkable = found[1].startswith(b"unlinkable") or _BAD_UNLINKABLE.match(message)
    return Held(at, "unlinkable" if unlinkable else "invalid", int(found[2]), message, True)


# `["name - id" - 3 1.2.3.4:9876] ` (Leap 3.1 on) or `["name - id" 1.2.3.4:9876]` (1.0.4 on)
_PEER = re.compile(rb'\["[^"]{0,512}"(?: - \d{1,10})? [^\s"\]]{1,256}:\d{1,5}\] ?')
_PEER_END = re.compile(rb'"(?: - \d{1,10})? [^\s"\]]{1,256}:\d{1,5}\]')


def _peer(at: float, message: bytes) -> Outcome:
    if b"block" not in message:  # every reader of BY_PEER wants it; most chatter has none
        return None
    found = _PEER.match(message)
    if not found:
        return None
    rest = message[found.end() :]
    reader = BY_PEER.get(rest.split(b" ", 1)[0])
    if reader is None or _PEER_END.search(rest):
        return None
    return reader(at, rest)


# --- the node itself


_VERSION = re.compile(rb"[\w.-]{1,32} version (v\d\S{0,63}|[0-9a-f]{7,40})(?: |$)")
_EXITING = re.compile(rb"[\w.-]{1,32} successfully exiting$")
_PEERS = re.compile(rb"p2p client connections: (\d{1,9})/\d{1,9}, peer connections: (\d{1,9})/")
_PROMOTING = re.compile(
    rb"promoting proposed schedule \(set in block \d{1,15}\) to pending; .{0,80}? schedule: "
    rb'\{"version":(\d{1,15}),"producers":\['
)
_PRODUCER_NAME = re.compile(rb'\{"producer_name":"([\w.-]{1,64})"')


def _version(at: float, message: bytes) -> Outcome:
    found = _VERSION.match(message)
    return NodeStarted(at, found[1].decode("ascii", "replace")) if found else None


def _exiting(at: float, message: bytes) -> Outcome:
    return NodeStopped(at, text_of(message)) if _EXITING.match(message) else None


def _peers(at: float, message: bytes) -> Outcome:
    found = _PEERS.match(message)
    return PeerCount(at, int(found[1]), int(found[2])) if found else None


def _promoting(at: float, message: bytes) -> Outcome:
    found = _PROMOTING.match(message)
    # A schedule that lost its end would be a wrong one.
    if not found or not message.rstrip().endswith(b"]}"):
        return None
    names = tuple(name.decode() for name in _PRODUCER_NAME.findall(message, found.end()))
    return ScheduleProposed(at, int(found[1]), names)


_DISK = (
    b"Space usage warning: ",
    b"Shutting down, file system exceeded threshold",
    b"Gracefully shutting down, exceeded file system",
)
_MEMORY = (
    b"Database has reached an unsafe level of usage",
    b"database memory exhausted",
    b"std::bad_alloc - memory exhausted",
)


def _resources(at: float, message: bytes) -> Outcome:
    if message.startswith(_DISK):
        return ResourceWarned(at, "disk", not message.startswith(b"Space"), text_of(message))
    if message.startswith(_MEMORY):
        return ResourceWarned(at, "memory", True, text_of(message))
    if message.startswith(b"database dirty flag set"):
        return NodeStopped(at, text_of(message))
    return None


_FAILURES = (
    b"Got exception while generating block",
    b"FC Exception encountered",
    b"Details: ",
    b"Failed to start a pending block",
    b"unable to open finalizer safety persistence file",
)


def _failure(at: float, message: bytes) -> Outcome:
    return Held(at, None, None, message, True) if message.startswith(_FAILURES) else None


BY_PEER: Mapping[bytes, Reader] = {
    b"unlinkable_block_exception": _peer_rejected,
    b"unlinkable_block": _peer_rejected,
    b"bad": _peer_rejected,
    b"block_validate_exception": _peer_rejected,
    b"block": _peer_rejected,
}

BY_FIRST_WORD: Mapping[bytes, Reader] = {
    b"Received": _received,
    b"Produced": _produced,
    b"push": _pushed,
    b"p2p": _peers,
    b"Not": _not_producing,
    b"Number": _missed,
    b"Producer": _paused,
    b"Pausing": _pausing,
    b"Unexpected": _unexpected_key,
    b"Block": _unexpected_key,
    b"switching": _switching,
    b"Switching": _switching_dawn,
    b"dropped": _dropped,
    b"producing,": _dropped,
    b"Pushing": _failed_to_link,
    b"promoting": _promoting,
    b"Space": _resources,
    b"Shutting": _resources,
    b"Gracefully": _resources,
    b"Database": _resources,
    b"database": _resources,
    b"std::bad_alloc": _resources,
    b"Exception": _exception,
    b"exception": _exception,
    b"Got": _failure,
    b"FC": _failure,
    b"Details:": _failure,
    b"Failed": _failure,
    b"unable": _failure,
    **BY_PEER,
}

# Where the first word is a name.
BY_SECOND_WORD: Mapping[bytes, Reader] = {
    b"generated": _generated,
    b"double": _double,
    b"version": _version,
    b"successfully": _exiting,
}


def reader_of(first: bytes, second: bytes) -> Reader | None:
    """Return what reads a message, by its first two words (empty where there is none). None for chatter."""
    reader = BY_FIRST_WORD.get(first) or BY_SECOND_WORD.get(second)
    if reader is None:
        if first[:2] == b'["':
            return _peer
        if first.isdigit():
            return _coded
        if second[:1] == b"#":
            return _pushed_dawn2
    return reader


# What an assertion's second line says (Dawn 4 and 1.0 have no exception of its own for these).
_UNLINKABLE_ASSERTION = re.compile(r"prior != by_id_idx\.end\(\): unlinkable block$")
_DOUBLE_CONFIRM_ASSERTION = re.compile(
    r"itr->second < result\.block_num - h\.confirmed: producer \S{1,64} double-confirming known range$"
)
_BLOCK_ID = re.compile(r'(?:unlinkable block |\{"id":")([0-9a-f]{8})[0-9a-f]{56}\b')


def finish(held: Held, detail: tuple[str, ...]) -> Event:
    """Turn a held error into its event, now that its lines are complete."""
    reason = held.reason
    text = text_of(held.message)
    if reason is None and held.message.endswith(b" assert_exception: Assert Exception") and detail:
        if _UNLINKABLE_ASSERTION.match(detail[0]):
            reason = "unlinkable"
        elif _DOUBLE_CONFIRM_ASSERTION.match(detail[0]):
            reason = "double_confirm"
    if reason is None:
        return LogException(held.at, text, detail)
    number = held.number
    if number is None:
        ids = filter(None, map(_BLOCK_ID.search, detail))
        number = next((int(found[1], 16) for found in ids), None)  # a block's id begins with its number
    return BlockRejected(held.at, reason, number, f"{text}; {detail[0]}" if detail else text)
