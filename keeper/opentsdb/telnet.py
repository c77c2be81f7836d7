"""`put` by telnet: one batch is one connection, and its end is the receipt.

A TSD says nothing about the points it takes. So after the last one keeper closes its half of the connection and waits
until the TSD closes the other: a program that reads until the end, as OpenTSDB and VictoriaMetrics do, has by then read
all of it. What the end proves, and what it does not:

- An orderly end that comes when the kernel of the other side has confirmed every byte and our end: the TSD has read all
  before it. Had it left a byte unread, its kernel would have reset the connection. A TSD that is stopped in the middle
  of a batch ends the connection in order as well; then bytes of ours are unconfirmed, and it is no receipt.
- A reset, an end before ours, or none in time: unknown. The batch is sent again, and points may arrive twice.
- What a TSD has read it can still lose: VictoriaMetrics keeps the points of some seconds in memory only, and a kill -9
  of it takes them. No answer of any kind would tell. A proxy in between that reads ahead speaks for itself alone.
- With TLS, close_notify goes before our end, and the rest is the same. A server that ends without a close_notify of its
  own, as many do, counts as well: whoever could forge that end could swallow the points, too.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
from collections.abc import Sequence
from contextlib import closing

from keeper.core.source import Now
from keeper.opentsdb.blame import blame
from keeper.opentsdb.outcome import SLOWLY, NotSent, Sent
from keeper.opentsdb.put import Complaint, read_complaint, telnet
from keeper.opentsdb.record import Line
from keeper.opentsdb.terms import Target, Terms
from keeper.opentsdb.tls import Plain, Tls, trust
from keeper.sources.http_reason import reason

TALK = 65_536  # bytes a TSD may say beside what it says about points
TALK_EACH = 1024  # bytes about each point
PIECE = 65_536


class Telnet:
    """One TSD. `send` blocks for `terms.timeout` seconds at most, but for looking the host's name up."""

    def __init__(self, target: Target, terms: Terms, now: Now) -> None:
        self._target = target
        self._terms = terms
        self._now = now
        self._trust: ssl.SSLContext | None = None

    def send(self, lines: Sequence[Line]) -> Sent:
        """Send one batch. Raises NotSent."""
        until = self._now() + self._terms.timeout
        talk = _Talk(TALK + TALK_EACH * len(lines))
        call = _Call(until, self._now, talk)
        try:
            with closing(self._connect(until)) as sock:
                call.exchange(sock, self._layer(), telnet(lines))
        except NotSent:
            talk.judge(lines)  # it may have said why it hung up
            raise
        except (OSError, UnicodeError) as error:
            talk.judge(lines)
            why = f"no end within {self._terms.timeout:g} s" if isinstance(error, TimeoutError) else reason(error)
            raise NotSent(why, unknown=call.begun) from error
        return talk.judge(lines)

    def _layer(self) -> Plain | Tls:
        if not self._terms.tls:
            return Plain()
        self._trust = self._trust or trust(self._terms.ca_file)
        return Tls(self._trust, self._target.host.partition("%")[0])

    def _connect(self, until: float) -> socket.socket:
        """Connect to the first address that takes it, each given an equal share of the time. Raises OSError."""
        addresses = socket.getaddrinfo(self._target.host, self._target.port, type=socket.SOCK_STREAM)
        failure = OSError(0, "the host has no address")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, (until - self._now()) / (len(addresses) - tried)))
                sock.connect(address)
            except TimeoutError:
                sock.close()
                failure = OSError(0, "no connection in time")
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure


class _Call:
    """One connection. `begun`: a point may have left."""

    def __init__(self, until: float, now: Now, talk: _Talk) -> None:
        self.begun = False
        self._until = until
        self._now = now
        self._talk = talk

    def exchange(self, sock: socket.socket, layer: Plain | Tls, data: bytes) -> None:
        """Send while listening: a TSD that complains does not read on until it is heard. Raises OSError, NotSent."""
        sock.setblocking(False)
        left = memoryview(layer.hello())
        ended = False
        while True:
            if not left and layer.ready and not self.begun:
                self.begun = True
                left = memoryview(layer.wrap(data) + layer.end())
            if not left and self.begun and not ended:
                sock.shutdown(socket.SHUT_WR)
                ended = True
            readable, writable = self._wait(sock, bool(left))
            if readable:  # first: what it said stands, though it may have reset the connection since
                heard = sock.recv(PIECE)
                if not heard:
                    break
                self._talk.hear(layer.unwrap(heard))
                if not ended and (owed := layer.owed()):
                    left = memoryview(bytes(left) + owed)
            if writable and left:
                left = left[sock.send(left[:PIECE]) :]
        if not self.begun:
            raise ConnectionResetError  # it hung up on the TLS handshake
        if left or not ended or _unconfirmed(sock):
            raise NotSent("closed the connection in the middle of a batch", unknown=True)

    def _wait(self, sock: socket.socket, writing: bool) -> tuple[bool, bool]:
        left = self._until - self._now()
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
        events = poll.poll(max(0.0, left) * 1000) if left > 0 else []
        if not events:
            raise TimeoutError
        trouble = events[0][1] & (select.POLLERR | select.POLLHUP)
        return bool(events[0][1] & select.POLLIN or trouble), bool(events[0][1] & select.POLLOUT)


class _Talk:
    """What the TSD says: bounded, and understood once it is over."""

    def __init__(self, most: int) -> None:
        self._said = bytearray()
        self._most = most

    def hear(self, said: bytes) -> None:
        self._said += said
        if len(self._said) > self._most:
            raise NotSent(f"says more than {self._most:,} bytes about one batch, and no end", SLOWLY, unknown=True)

    def judge(self, lines: Sequence[Line]) -> Sent:
        """Raises NotSent when it speaks of its own trouble, or is no TSD."""
        complaints: list[Complaint] = []
        said, _, cut = self._said.rpartition(b"\n")
        for line in said.splitlines() or [cut]:
            if line.strip():
                complaints.append(read_complaint(bytes(line)))
                if complaints[-1].foreign:
                    raise NotSent(f"answers put with {complaints[-1].why!r}: is it a TSD?", SLOWLY, unknown=True)
        for complaint in complaints:
            if complaint.passing:
                raise NotSent(f"says {complaint.why!r}", unknown=True)
        refused = blame(lines, complaints)
        return Sent(len(lines) - len(refused), refused)


def _unconfirmed(sock: socket.socket) -> int:
    """Bytes, our end counted as one, that the kernel of the other side has not confirmed (SIOCOUTQ of tcp(7))."""
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))
    return int(count)
