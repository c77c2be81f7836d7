"""What a packet of an agent's log is called at keeper's receiver, which names packets by what it decoded."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.delivery.packet import Packet
from keeper.delivery.wire import Unfit, Wire, events_of
from keeper.receiver.confirm import Name
from keeper.receiver.inputs.input import Input
from keeper.receiver.packet import Malformed, content_of, id_of


class Empty(Unfit):
    """It says nothing, and there is nothing of it to be stored."""


class Imprint:
    """`wires` are the ways a packet may have gone out: as a resend writes it, and as the agent itself did. `input` is
    the receiver's own reading of them."""

    def __init__(self, agent: str, wires: Sequence[Wire], input: Input) -> None:
        self._agent = agent
        self._wires = wires
        self._input = input

    def names(self, packet: Packet) -> tuple[Name, ...]:
        """One or more; the receiver has the packet when it has any of them. A packet that came without an id is found
        by any id. Raises Unfit when it cannot have come."""
        id, content = packet.name
        number = id_of(f'"{self._agent}/{id}/{content}"')
        events = events_of(packet.data)
        contents: dict[bytes, bytes] = {}  # by body
        failed: list[Unfit] = []
        for wire in self._wires:
            try:
                body = wire.encode(packet.key, events)
                if body not in contents:
                    contents[body] = self._read(body)
            except Unfit as error:
                failed.append(error)
        if not contents:
            raise failed[0]
        return tuple(dict.fromkeys((number, found) for found in contents.values()))

    def _read(self, body: bytes) -> bytes:
        try:
            said = self._input.read(body, 0.0).packets
        except Malformed as error:
            raise Unfit(f"the receiver cannot read it: {error}") from error
        if not said:
            raise Empty("there are no events in it")
        if len(said) != 1:
            raise Unfit(f"the receiver reads {len(said)} packets in it")
        return content_of(said[0])
