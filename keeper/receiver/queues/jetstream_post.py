"""Messages on their way into a stream, each with the answer that is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from keeper.errors import SourceError
from keeper.receiver.queues.jetstream_link import NO_RESPONDERS, Refused


class Post:
    """Over one connection. nats-py's own way to publish many at once never hears that a stream refused one."""

    def __init__(self, client: Client, subject: str) -> None:
        self._client = client
        self._subject = subject
        self._inbox = client.new_inbox()
        self._number = 0
        self._awaited: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def open(self) -> None:
        await self._client.subscribe(f"{self._inbox}.*", cb=self._heard)

    async def send(self, messages: Sequence[tuple[bytes, str | None]], patience: float) -> list[dict[str, Any]]:
        """Publish (message, its name or None) and return what the stream says to each, in order; of messages with one
        name it keeps the first. Raises Refused when it does not take one, SourceError when its answers are not here in
        time, or the connection's errors."""
        awaited: dict[str, asyncio.Future[dict[str, Any]]] = {}
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                for message, name in messages:
                    self._number += 1
                    reply = f"{self._inbox}.{self._number}"
                    awaited[reply] = self._awaited[reply] = loop.create_future()
                    headers = None if name is None else {"Nats-Msg-Id": name}
                    await self._client.publish(self._subject, message, reply=reply, headers=headers)
                return list(await asyncio.gather(*awaited.values()))
        except TimeoutError as error:
            raise SourceError("jetstream did not confirm it in time") from error
        finally:
            for reply, future in awaited.items():
                self._awaited.pop(reply, None)
                if not future.cancel() and not future.cancelled():
                    future.exception()  # what came after another's no is heard, too

    def lost(self) -> None:
        """The connection is gone: nothing will be heard of what is on its way."""
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(SourceError("the connection to jetstream was lost"))

    async def _heard(self, message: Msg) -> None:
        future = self._awaited.pop(message.subject, None)
        if future is None or future.done():
            return
        if (message.headers or {}).get("Status") == NO_RESPONDERS:
            future.set_exception(SourceError("jetstream's stream has no leader now"))
            return
        answer: dict[str, Any] = json.loads(message.data)
        if "error" in answer:
            future.set_exception(Refused.of(answer["error"]))
        else:
            future.set_result(answer)
