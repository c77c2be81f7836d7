"""unknown_outcome = ask: before packets are sent again, the receiver is asked for those it may have."""

from __future__ import annotations

from collections.abc import Iterable
from random import SystemRandom

from keeper.core.source import Now, Wait
from keeper.delivery.ledger import Fate, Ledger
from keeper.delivery.outfit_confirm import confirming_of, imprint_of
from keeper.delivery.packet import Packet, WrongLine
from keeper.delivery.plan import why_hold
from keeper.delivery.reconcile import LATE, SILENT, ask, judged, note, survey
from keeper.errors import Rejected, SendError
from keeper.receiver.confirm import WAIT
from keeper.settings import AgentSettings


def ask_first(
    found: Iterable[Packet | WrongLine], ledger: Ledger, settings: AgentSettings, now: Now, wait: Wait
) -> str:
    """Write down in the ledger what the receiver says. Returns why it does not say it yet of some, in half a sentence;
    empty when asking again would not help. Raises StateError, and KeeperError when the settings do not suffice."""
    doubtful = (one for one in found if isinstance(one, Packet) and _doubtful(one, ledger))
    made = survey(doubtful, ledger, imprint_of(settings), frozenset(settings.skip))
    if not made.asked:
        return ""
    receiver = confirming_of(settings, WAIT, now, wait, SystemRandom().random)
    try:
        source, there = ask(made, receiver, lambda count: None)
    except (SendError, Rejected) as error:
        return str(error)
    finally:
        receiver.close()
    result, notes = judged(made, source, there)
    note(ledger, notes)
    return next((why for why in (SILENT, LATE) if result.unknown[why]), "")


def _doubtful(packet: Packet, ledger: Ledger) -> bool:
    fate = ledger.fate(*packet.name)
    return fate not in (Fate.DELIVERED, Fate.REFUSED) and why_hold(packet.outcome, fate, repeat=False) is not None
