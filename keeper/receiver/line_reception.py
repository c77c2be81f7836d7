"""Who sends lines by TCP, and where they go: the server's side of `line_protocol`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.receiver.gate import Gate
from keeper.receiver.inputs.input import Read
from keeper.receiver.inputs.lines import LinesInput
from keeper.receiver.line_exchange import Batches, Reads
from keeper.receiver.line_protocol import Done, Limits, LineProtocol, Sender, Surroundings
from keeper.receiver.packet import Said
from keeper.receiver.reception import Reception, records
from keeper.receiver.settings import ReceiverSettings
from keeper.receiver.traffic import Tally


class LineReception:
    """Shares connections, memory and queue with the `reception` of HTTP. A sender is known by its address alone: this
    protocol has no place for secrets."""

    def __init__(
        self,
        settings: ReceiverSettings,
        gate: Gate,
        reception: Reception,
        tally: Tally,
        wall: Callable[[], float],
    ) -> None:
        self.connections: dict[LineProtocol, tuple[str, str]] = {}  # the address and the source of each
        self._settings = settings
        self._gate = gate
        self._reception = reception
        self._tally = tally
        self._wall = wall
        self._lines = LinesInput(settings.max_line)
        self._limits = Limits(idle=settings.idle_timeout, most_pending=settings.max_body)
        self._surroundings = Surroundings(self._met, self._weigh, self._parted)

    def connection(self) -> LineProtocol:
        settings = self._settings
        exchange = Batches(settings.max_body) if settings.lines_confirm else Reads(settings.max_line)
        return LineProtocol(exchange, self._lines, self._limits, self._surroundings)

    def look_again(self) -> None:
        """Who may send has changed: those who may not, or are somebody else now, hear what they are owed, and go."""
        for connection, (peer, source) in list(self.connections.items()):
            if self._gate.source(b"", peer, "") != source:
                connection.finish()

    def _met(self, connection: LineProtocol, peer: str) -> Sender | None:
        source = self._gate.source(b"", peer, "")
        if source is None or not self._reception.has_room(len(self.connections)):
            self._reception.turned_away += 1
            return None
        self.connections[connection] = (peer, source)

        def take(packets: Sequence[Said], id: int | None, _size: int, done: Done) -> None:
            self._reception.put(records(packets, source, id, self._wall()), done)

        def counted(read: Read, size: int) -> None:
            events = sum(len(said.events) for said in read.packets)
            self._tally.took("tcp", source, self._wall(), len(read.packets), events, size, read.wrong)

        return Sender(take, counted)

    def _parted(self, connection: LineProtocol) -> None:
        self.connections.pop(connection, None)

    def _weigh(self, change: int) -> bool:
        if change < 0:
            self._reception.release(-change)
            return True
        return self._reception.weigh(change)
