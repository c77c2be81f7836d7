"""A statistics agent that lives: each tick a packet to a real server, each send and answer in a log, nothing again.

Its packets are written by thriftpy2 and its log in the words of the real one; nothing of keeper's reading is used.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import threading
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from thriftpy2.protocol.binary import TBinaryProtocol
from thriftpy2.thrift import TMessageType
from thriftpy2.transport import TMemoryBuffer

from keeper.formats.pyrepr import Struct
from tests.delivery.python2 import Long, python2_repr
from tests.delivery.statistics_server import load

_idl = load()
_buffer: Any = TMemoryBuffer
_protocol: Any = TBinaryProtocol

Name = tuple[int, str]


class LiveAgent:
    """Sends from `with` on, every `tick` seconds, until `stop`. `sent` are the names of all packets, in order; one that
    is not `named` tells them to nobody but its log, as real agents do."""

    def __init__(
        self, log: Path, port: int, seed: int, tick: float = 0.05, timeout: float = 2.0, *, named: bool = True
    ) -> None:
        self.log = log
        self.sent: list[Name] = []
        self._port = port
        self._chance = random.Random(seed)
        self._tick = tick
        self._timeout = timeout
        self._named = named
        self._file = log.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent", daemon=True)

    def rotate(self, to: Path) -> None:
        """Rename the log and go on in a new one, as logrotate and the agent do it together."""
        with self._lock:
            self.log.rename(to)
            self._file.close()
            self._file = self.log.open("ab", buffering=0)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._file.close()

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self._tick):
            number += 1
            key, struct, rows = self._events()
            data = python2_repr([Struct(struct, row) for row in rows]).encode()
            content = hashlib.sha256(key.encode() + b"\0" + data).hexdigest()[:32]
            self.sent.append((number, content))
            self._write(b"Stats Post Params: {'x': 'y'}")
            self._write(b"sendThrift LIST: key='%b', data=%b, packet_id=%d" % (key.encode(), data, number))
            began = time.monotonic()
            code, error = self._post(key, struct, rows, f'"live/{number}/{content}"')
            response = (
                f"HTTPResponse(code={code},request_time={time.monotonic() - began:.4f},buffer=None,error={error})"
            )
            said = b"onSendThriftHttpResponse: key='%b', packet_id=%d, response=" % (key.encode(), number)
            self._write(said + response.encode())

    def _events(self) -> tuple[str, str, list[dict[str, Any]]]:
        chance, now = self._chance, int(time.time())
        if chance.random() < 0.5:
            texts = ["Дай пройти", "it's", '], packet_id=7"', "hello"]
            rows = [
                {"auid": Long(chance.getrandbits(40)), "timestamp": now, "channel": b"common",
                 "message": chance.choice(texts).encode()}
                for _ in range(chance.randrange(1, 4))
            ]  # fmt: skip
            return "ChatMessages", "ChatMessageInfo", rows
        talent = {"classId": 5, "instanceId": Long(chance.getrandbits(33)), "boundHeroClassId": -1}
        row = {"auid": Long(7), "talent": Struct("TalentInfo", talent), "operation": 2, "timestamp": now, "data": b""}
        return "TalentChange", "TalentChangeInfo", [row]

    def _post(self, key: str, struct: str, rows: list[dict[str, Any]], name: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            headers = {"Idempotency-Key": name} if self._named else {}
            connection.request("POST", "/", self._encoded(key, struct, rows), headers)
            status = connection.getresponse().status
        except TimeoutError:
            return 599, "HTTPError('HTTP 599: Timeout',)"
        except OSError as error:
            return 599, f"HTTPError('HTTP 599: {error.strerror}',)"
        finally:
            connection.close()
        return status, "None" if status == 200 else f"HTTPError('HTTP {status}: Error',)"

    def _encoded(self, key: str, struct: str, rows: list[dict[str, Any]]) -> bytes:
        arguments = getattr(_idl.StatisticService, f"{key}_args")()
        [field] = [spec[1] for spec in arguments.thrift_spec.values()]
        setattr(arguments, field, [getattr(_idl, struct)(**{k: _plain(v) for k, v in row.items()}) for row in rows])
        buffer = _buffer()
        protocol = _protocol(buffer)
        protocol.write_message_begin(key, TMessageType.CALL, 0)
        protocol.write_struct(arguments)
        protocol.write_message_end()
        return bytes(buffer.getvalue())

    def _write(self, text: bytes) -> None:
        now = datetime.now().astimezone()
        stamp = now.strftime("[%Y-%m-%d %H:%M:%S,") + f"{now.microsecond // 1000:03d} INFO] "
        with self._lock:
            self._file.write(stamp.encode() + text + b"\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Long):
        return value.number
    if isinstance(value, Struct):
        return getattr(_idl, value.name)(**{name: _plain(one) for name, one in value.fields.items()})
    return value
