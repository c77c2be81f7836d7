"""Events as PostgreSQL takes them."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"\\u(?P<high>d[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}|\\u(?P<bad>0000|d[89a-f][0-9a-f]{2})|\\.", re.IGNORECASE
)


def visible(fields: bytes) -> bytes:
    """A JSON object without what `jsonb` cannot hold: NUL and lone halves of surrogate pairs become visible text,
    `\\u0000` is then six characters. Nothing else changes."""
    if b"\\u" not in fields:
        return fields
    return _ESCAPE.sub(lambda found: b"\\" + found[0] if found["bad"] else found[0], fields)


def copied(text: bytes) -> bytes:
    """As a value of a line of COPY; what is not in it anyway in JSON of one line is escaped, too."""
    return (
        text.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
        if b"\\" in text or b"\n" in text or b"\r" in text or b"\t" in text
        else text
    )
