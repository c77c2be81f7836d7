"""The Docker engine: what it says of a container, and its answers read with a hand on the clock.

The `docker` package's APIClient is the session: it knows addresses and certificates, makes the connections and inspects
containers. Logs and events are read here, as the package's own streams switch the timeout off, cannot be closed, and
take a broken connection for the end (docker-py #3101, #3345, types/daemon.py).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from keeper.core.source import Wait
from keeper.errors import SourceError
from keeper.formats.http_answer import HttpAnswer
from keeper.sources.docker_container import Container, container_of
from keeper.sources.docker_reason import missing, reason, refused

STEP = 0.2  # seconds a read waits before it looks whether it is time to stop
RECEIVE = 256 << 10  # bytes taken at once
MAX_ERROR = 64 << 10  # bytes kept of a body that explains an error


class Missing(SourceError):  # noqa: N818 - the name says what is the matter; SourceError what to do
    """There is no such container."""


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """It is time to stop, in the middle of waiting for the engine."""


class Answer:
    """One answer of the engine, read as it comes. Close it: a follower costs the engine a goroutine and open files."""

    def __init__(self, connection: Any, address: str, question: str) -> None:
        self._connection = connection
        self._address = address
        self._question = question
        self._http = HttpAnswer()
        self._error = b""

    @property
    def status(self) -> int:
        return self._http.status

    @property
    def headers(self) -> dict[str, str]:
        return self._http.headers

    @property
    def ended(self) -> bool:
        """The engine said that this is all."""
        return self._http.ended

    def read(self, seconds: float) -> list[bytes] | None:
        """The chunks that come within `seconds`, or none. None when the connection was closed, complete or not.

        Raises SourceError when the engine refused, or what came is not HTTP.
        """
        if self._http.ended:
            return None
        try:
            self._connection.sock.settimeout(seconds)
            data = self._connection.sock.recv(RECEIVE)
        except TimeoutError:
            return []
        except OSError as error:
            raise SourceError(reason(error, self._address)) from error
        chunks = self._http.feed(data)
        if not data:
            self._http.closed()
        if self._http.status >= 300:
            self._error = (self._error + b"".join(chunks))[:MAX_ERROR]
            if self._http.ended or not data:
                raise SourceError(refused(self._http.status, self._error, self._question))
            return []
        if not data:
            return None
        return chunks

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()


class Engine:
    """A session with the engine at `base_url`; empty for the one the environment names (DOCKER_HOST and its kin)."""

    def __init__(self, base_url: str, timeout: float) -> None:
        # Here and not above: the package takes 0.1 s and 20 MB (with requests), and most keepers watch no container.
        import docker  # noqa: PLC0415
        import docker.utils  # noqa: PLC0415

        keywords = docker.utils.kwargs_from_env()
        if base_url:
            keywords["base_url"] = base_url
        self.address = str(keywords.get("base_url") or "unix:///var/run/docker.sock")
        self._timeout = timeout
        self._docker = docker
        self._keywords = keywords
        try:
            self._client = self._session("1.24")  # until the engine has said which one it speaks
        except docker.errors.DockerException as error:
            raise SourceError(f"{self.address} is no address of a Docker engine: {error}") from error

    def greet(self, wait: Wait) -> None:
        """Ask whether the engine is there and which version of its API it speaks. Raises SourceError and Stopped."""
        answer = self._send("/_ping", "whether it is there")
        try:
            for _ in self._body(answer, wait):
                pass
            version = answer.headers.get("api-version", "")
        finally:
            answer.close()
        if not re.fullmatch(r"\d+\.\d+", version):
            raise SourceError(f"what answers at {self.address} is not a Docker engine: it does not say its API version")
        if version != self._client.api_version:
            self._client.close()
            with self._asking("its API"):
                self._client = self._session(version)

    def inspect(self, container: str, wait: Wait) -> Container:
        """What the engine says of the container. Raises Missing, SourceError and Stopped."""
        self.greet(wait)  # a hung engine is noticed where waiting can be stopped
        with self._asking(f"container {container}"):
            try:
                said = self._client.inspect_container(container)
            except self._docker.errors.NotFound:
                raise Missing(missing(container, self.address)) from None
        try:
            return container_of(said)
        except (KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{self.address} answers for container {container} what no engine says: {error!r}"
            ) from error

    def history(self, name: str, since: int, until: int, wait: Wait) -> list[tuple[str, str]]:
        """(`start`, `die` or `destroy`, id) of containers of that name between two times of the engine's, in ns.

        The engine remembers 256 events of all kinds, none from before its own start. Raises SourceError and Stopped.
        """
        # Not the package's events(): it waits without a timeout.
        filters = {"type": ["container"], "container": [name], "event": ["start", "die", "destroy"]}
        asked = {"since": seconds(since), "until": seconds(until), "filters": json.dumps(filters)}
        answer = self._send(f"/v{self._client.api_version}/events?{urlencode(asked)}", "its events")
        try:
            text = b"".join(chunk for chunks in self._body(answer, wait) for chunk in chunks)
        finally:
            answer.close()
        try:
            events = [json.loads(line) for line in text.splitlines()]
            return [(str(event["Action"]), str(event["Actor"]["ID"])) for event in events]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{self.address} tells of events what no engine says: {error!r}") from error

    def logs(self, container: Container, follow: bool, **query: str | int) -> Answer:
        """Ask for the container's log; the answer is the caller's to read and close. Raises SourceError."""
        asked = {"follow": int(follow), "stdout": 1, "stderr": 1, "timestamps": 1, **query}
        path = f"/v{self._client.api_version}/containers/{quote(container.id)}/logs?{urlencode(asked)}"
        return self._send(path, f"the log of container {container.name} (driver {container.driver})")

    def log(self, container: Container, wait: Wait, **query: str | int) -> Iterator[list[bytes]]:
        """The log as it is now, to its end. Raises SourceError when the end does not come, and Stopped."""
        answer = self.logs(container, follow=False, **query)
        try:
            yield from self._body(answer, wait)
        finally:
            answer.close()

    def close(self) -> None:
        self._client.close()

    def _session(self, version: str) -> Any:
        client = self._docker.APIClient(version=version, timeout=self._timeout, **self._keywords)
        client.trust_env = False  # or requests would put REQUESTS_CA_BUNDLE before the engine's own authority
        return client

    def _body(self, answer: Answer, wait: Wait) -> Iterator[list[bytes]]:
        silent = 0.0
        while not answer.ended:
            chunks = answer.read(STEP)
            if wait(0):
                raise Stopped
            if chunks is None:
                if answer.ended:
                    return
                raise SourceError(f"the Docker engine at {self.address} broke off in the middle of an answer")
            if chunks:
                silent = 0.0
                yield chunks
            else:
                silent += STEP
                if silent >= self._timeout:
                    raise SourceError(reason(TimeoutError(), self.address))

    def _send(self, path: str, question: str) -> Answer:
        """Ask on a connection of our own, made by the session for the engine's address."""
        import requests  # noqa: PLC0415 - comes with docker

        request = requests.Request("GET", self._client.base_url.replace("tcp://", "http://")).prepare()
        with self._asking(question):
            adapter = self._client.get_adapter(request.url)
            pool = adapter.get_connection_with_tls_context(request, self._client.verify, cert=self._client.cert)
            connection = pool._new_conn()
            connection.timeout = self._timeout
            connection.connect()
            head = f"GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: keeper\r\nConnection: close\r\n\r\n"
            connection.sock.sendall(head.encode("ascii"))
        return Answer(connection, self.address, question)

    @contextlib.contextmanager
    def _asking(self, question: str) -> Iterator[None]:
        import urllib3  # noqa: PLC0415 - comes with docker

        errors = self._docker.errors
        try:
            yield
        except errors.APIError as error:
            raise SourceError(refused(error.status_code or 0, str(error.explanation).encode(), question)) from error
        except (
            OSError,
            ValueError,
            errors.DockerException,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise SourceError(reason(error, self.address)) from error


def seconds(ns: int) -> str:
    """A time as the engine's API takes it: `1795212253.898663046`."""
    return f"{ns // 10**9}.{ns % 10**9:09d}"
