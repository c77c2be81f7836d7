"""All inputs. A new one is one file and one line here; `ReceiverSettings` says on which paths it is heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from keeper.receiver.inputs.input import Input
from keeper.receiver.inputs.json_packets import JsonInput
from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.inputs.put import PutInput
from keeper.receiver.inputs.thrift import thrift_input
from keeper.receiver.settings import ReceiverSettings

INPUTS: Mapping[str, Callable[[ReceiverSettings], Input | None]] = {
    "thrift": lambda settings: thrift_input(Path(settings.idl)) if settings.idl else None,
    "json": lambda settings: JsonInput(),
    "lines": lambda settings: LinesInput(settings.max_line),
    "put": lambda settings: PutInput(settings.max_line),
}
"""Each by its name in `standing.INPUTS`; None where the site has not configured it."""


def inputs(settings: ReceiverSettings) -> Mapping[str, Input]:
    """Those that are configured. Raises KeeperError when one of them cannot be, such as with an IDL that is none."""
    made = {name: make(settings) for name, make in INPUTS.items()}
    return {name: one for name, one in made.items() if one is not None}
