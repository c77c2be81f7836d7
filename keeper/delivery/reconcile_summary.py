"""What a reconciliation found, for a person."""

from __future__ import annotations

from keeper.delivery.account import reasons
from keeper.delivery.reconcile import Reconciled
from keeper.receiver.ranges import covered, shown_ranges

SHOWN = 400  # characters of a list of ids

MEANING = {
    "delivered": "the ledger says so, and the receiver has them",
    "delivered, as is known now": "nobody knew it, but the receiver has them",
    "lost": "the receiver has not got them; `keeper resend` sends them",
    "acknowledged but missing": "THE RECEIVER HAS NOT GOT THEM, though their arrival was acknowledged",
    "refused and missing": "the receiver has not got them, and will not take them as they are",
    "unknown": "nothing new is known of them",
    "unfit": "cannot be put on the wire as they are",
    "repeated": "stand more than once in the collection",
    "skipped": "are of types that are never sent again, or say nothing",
}


def summary_lines(result: Reconciled, receiver: str) -> list[str]:
    """With a last line that adds up."""
    account, parts = result.account, result.parts()
    lines = [f"asked {receiver}" + (f" for packets of {result.source}" if result.source else "")]
    lines += [f"  {account.wrong_lines:>9,}  wrong lines"] if account.wrong_lines else []
    lines += [f"             {sentence}" for sentence in account.wrong]
    for name, number in parts.items():
        lines += [f"  {number:>9,}  {name}: {MEANING[name]}"] if number else []
    lines += reasons("unknown", result.unknown)
    lines += reasons("unfit", account.rejected)
    if result.missing:
        ids = ", ".join(str(item.id) for item in result.missing[:20])
        more = len(result.missing) - 20
        lines.append(f"acknowledged but missing: {ids}" + (f" and {more:,} more" if more > 0 else ""))
    if parts["acknowledged but missing"] and not parts["delivered"] and not parts["delivered, as is known now"]:
        lines.append("not one packet is there: is it the right receiver, the right source, the same IDL at both ends?")
    lines += ledger_lines(result)
    sign = "=" if result.adds_up() else "IS NOT"
    lines.append(
        f"{' + '.join(f'{number:,} {name}' for name, number in parts.items())} {sign} {account.collected:,} collected"
    )
    return lines


def ledger_lines(result: Reconciled) -> list[str]:
    """About what the ledger knows beside the packets that were looked at."""
    if not result.ids:
        return []
    missing = covered(result.ids_missing)
    line = f"  {result.ids:>9,}  ids beside those in the ledger were acknowledged"
    if result.ids_unknown:
        line += f"; not all of them are known: {result.ids_unknown}"
    elif not missing:
        line += ", and the receiver has all of them"
    lines = [line]
    if missing:
        lines.append(f"  {missing:>9,}  of these ids ARE MISSING: {shown_ranges(result.ids_missing)[:SHOWN]}")
    return lines
