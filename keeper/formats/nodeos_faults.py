"""What nodeos says of forks, of blocks it did not take, and of errors that go on in the next lines.

Of a line that begins with a peer's name (`["name - id" - 3 1.2.3.4:9876] ...`) nothing but a rejected block is
believed, and any peer can have a block rejected by sending a bad one. A name that imitates the end of its own quotation
makes the line void.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from keeper.core.event import BlockRejected, Event, ForkSwitched, LogException
from keeper.formats.nodeos_text import NUMBER, Held, Outcome, Reader, int_of, text_of

_SWITCHING = re.compile(rb"switching forks from [0-9a-f]{64} \(block number " + NUMBER + rb"[ )]")
_SWITCHING_TO = re.compile(rb" to [0-9a-f]{64} \(block number " + NUMBER + rb"[ )]")
_SWITCHING_DAWN = re.compile(rb"Switching to fork: ([0-9a-f]{8})[0-9a-f]{56}$")


def switching(at: float, message: bytes) -> Outcome:
    if not message.startswith(b"switching forks from "):
        return None
    from_number = int_of(_SWITCHING.match(message))
    return ForkSwitched(at, from_number, int_of(_SWITCHING_TO.search(message, 0, 2048)), text_of(message))


def switching_dawn(at: float, message: bytes) -> Outcome:
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


def coded(at: float, message: bytes) -> Outcome:
    """`3030001 unlinkable_block_exception: Unlinkable block`, details follow."""
    found = _CODE.match(message)
    if not found:
        return None
    return Held(at, _REJECTING.get(found[1]), None, message, True)


def exception(at: float, message: bytes) -> Outcome:
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


def failed_to_link(at: float, message: bytes) -> Outcome:
    if not message.startswith(b"Pushing block to fork database that failed to link"):
        return None
    return BlockRejected(at, "unlinkable", int_of(_FAILED_TO_LINK.match(message)), text_of(message))


def not_applied(at: float, message: bytes) -> Outcome:
    """The line describes the head that stayed, not the block: the number of that one is in the line before."""
    if not message.startswith(b"Block not applied to head "):
        return None
    return BlockRejected(at, "not_applied", None, text_of(message))


def peer_rejected(at: float, message: bytes) -> Outcome:
    """The net plugin's words about a block a peer sent."""
    found = _PEER_REJECTED.match(message)
    if not found or (found[1] == b"block" and b" not accepted" not in message[:512]):
        return None
    unlinkable = found[1].startswith(b"unlinkable") or _BAD_UNLINKABLE.match(message)
    return Held(at, "unlinkable" if unlinkable else "invalid", int(found[2]), message, True)


# `["name - id" - 3 1.2.3.4:9876] ` (Leap 3.1 on) or `["name - id" 1.2.3.4:9876]` (1.0.4 on)
_PEER = re.compile(rb'\["[^"]{0,512}"(?: - \d{1,10})? [^\s"\]]{1,256}:\d{1,5}\] ?')
_PEER_END = re.compile(rb'"(?: - \d{1,10})? [^\s"\]]{1,256}:\d{1,5}\]')


def peer(at: float, message: bytes) -> Outcome:
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


_FAILURES = (
    b"Got exception while generating block",
    b"FC Exception encountered",
    b"Details: ",
    b"Failed to start a pending block",
    b"unable to open finalizer safety persistence file",
)


def failure(at: float, message: bytes) -> Outcome:
    return Held(at, None, None, message, True) if message.startswith(_FAILURES) else None


BY_PEER: Mapping[bytes, Reader] = {
    b"unlinkable_block_exception": peer_rejected,
    b"unlinkable_block": peer_rejected,
    b"bad": peer_rejected,
    b"block_validate_exception": peer_rejected,
    b"block": peer_rejected,
}

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
