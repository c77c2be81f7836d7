"""Which reader takes a message: found by its first or second word."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.formats import nodeos_blocks as blocks
from keeper.formats import nodeos_faults as faults
from keeper.formats import nodeos_node as node
from keeper.formats.nodeos_text import Outcome, Reader


def _block(at: float, message: bytes) -> Outcome:
    return faults.not_applied(at, message) or node.unexpected_key(at, message)


BY_FIRST_WORD: Mapping[bytes, Reader] = {
    b"Received": blocks.received,
    b"Produced": blocks.produced,
    b"push": blocks.pushed,
    b"p2p": node.peers,
    b"Not": node.not_producing,
    b"Number": blocks.missed,
    b"Producer": node.paused,
    b"Pausing": node.pausing,
    b"Unexpected": node.unexpected_key,
    b"Block": _block,
    b"switching": faults.switching,
    b"Switching": faults.switching_dawn,
    b"dropped": blocks.dropped,
    b"producing,": blocks.dropped,
    b"Pushing": faults.failed_to_link,
    b"promoting": node.promoting,
    b"Space": node.resources,
    b"Shutting": node.resources,
    b"Gracefully": node.resources,
    b"Database": node.resources,
    b"database": node.resources,
    b"std::bad_alloc": node.resources,
    b"Exception": faults.exception,
    b"exception": faults.exception,
    b"Got": faults.failure,
    b"FC": faults.failure,
    b"Details:": faults.failure,
    b"Failed": faults.failure,
    b"unable": faults.failure,
    **faults.BY_PEER,
}

# Where the first word is a name.
BY_SECOND_WORD: Mapping[bytes, Reader] = {
    b"generated": blocks.generated,
    b"double": blocks.double,
    b"version": node.version,
    b"successfully": node.exiting,
}


def reader_of(first: bytes, second: bytes) -> Reader | None:
    """Return what reads a message, by its first two words (empty where there is none). None for chatter."""
    reader = BY_FIRST_WORD.get(first) or BY_SECOND_WORD.get(second)
    if reader is None:
        if first[:2] == b'["':
            return faults.peer
        if first.isdigit():
            return faults.coded
        if second[:1] == b"#":
            return blocks.pushed_dawn2
    return reader
