"""Any receiver of JSON: each firing and each resolution, one POST each, in order."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from keeper.core.notice import Notice
from keeper.notifiers.post import Poster
from keeper.runtime.clock import iso

VERSION = 1
SIGNATURE = "X-Keeper-Signature"


class Webhook:
    """`secret` signs the body: `X-Keeper-Signature: sha256=HEX`, HMAC-SHA256 over its bytes; empty signs nothing.

    A notice may come twice (keeper was killed between the answer and its note of it), with the same `id`.
    """

    def __init__(self, poster: Poster, secret: str = "") -> None:
        self._poster = poster
        self._secret = secret.encode()

    @property
    def batch(self) -> int:
        return 1

    @property
    def resend(self) -> None:
        return None

    def send(self, notices: Sequence[Notice]) -> None:
        """Post one after the other. Raises SendError or Rejected at the first that is not taken."""
        for notice in notices:
            body = encode(notice)
            self._poster.post(body, {SIGNATURE: sign(self._secret, body)} if self._secret else None)


def encode(notice: Notice) -> bytes:
    return json.dumps(
        {
            "version": VERSION,
            "id": notice.id,
            "status": notice.status,
            "rule": notice.rule,
            "subject": notice.subject,
            "labels": dict(notice.labels),
            "annotations": dict(notice.annotations),
            "startsAt": iso(notice.starts_at),
            "endsAt": None if notice.ends_at is None else iso(notice.ends_at),
            "keeper": notice.labels.get("keeper", ""),
        }
    ).encode()


def sign(secret: bytes, body: bytes) -> str:
    """The value of X-Keeper-Signature."""
    return f"sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}"
