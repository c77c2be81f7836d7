"""JSON of strangers: bytes in, a value or the reason why not. Nothing else ever comes out."""

from __future__ import annotations

import json
import math
from typing import NoReturn

# A value to watch is a counter, a time or a word; what is longer would only be cut, and a cut number is a wrong number.
MAX_FIELD_TEXT = 200


class NotUnderstood(ValueError):  # noqa: N818 - named after what is wrong, as the errors of keeper are
    """The answer does not say what was asked. The message is half a sentence about the answer, for a person."""


def decode(body: bytes) -> object:
    """Decode one JSON value.

    NaN and Infinity are not JSON and are refused, though Python's parser would take them.
    Raises NotUnderstood.
    """
    if not body.strip():
        raise NotUnderstood("the answer is empty")
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except NotUnderstood:
        raise
    except UnicodeDecodeError as error:
        raise NotUnderstood(f"the answer is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise NotUnderstood("the answer is JSON nested too deeply") from None
    except ValueError:  # also a number of more than 4,300 digits, which Python refuses to convert
        begin = one_line(body[:200].decode("utf-8", "replace"), 60)
        raise NotUnderstood(f"the answer is not valid JSON, it begins {begin!r}") from None


def field(value: object, path: str) -> str:
    """Read the value at `a.b.0.c` as text: names go into objects, numbers into arrays.

    Text comes as it is, numbers as JSON writes them, else `true`, `false` or `null`. Raises NotUnderstood.
    """
    walked = "the answer"
    for step in path.split("."):
        value = _into(value, step, walked)
        walked = step if walked == "the answer" else f"{walked}.{step}"
    if isinstance(value, dict | list):
        raise NotUnderstood(f"{path} is {kind(value)}, not a single value")
    if isinstance(value, float) and not math.isfinite(value):
        raise NotUnderstood(f"{path} is a number too large to compare")
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > MAX_FIELD_TEXT:
        raise NotUnderstood(f"{path} has {len(text):,} characters, more than {MAX_FIELD_TEXT}")
    return text


def kind(value: object) -> str:
    """Name the JSON type of a decoded value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "an array" if isinstance(value, list) else "an object"


def one_line(text: str, limit: int) -> str:
    """Make a stranger's text fit to be shown: one line, printable, at most `limit` characters."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _into(value: object, step: str, walked: str) -> object:
    if isinstance(value, dict):
        if step in value:
            found: object = value[step]
            return found
        raise NotUnderstood(f"{walked} has no field {step}")
    if isinstance(value, list):
        if step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(value):
            element: object = value[int(step)]
            return element
        raise NotUnderstood(f"{walked} is an array of {len(value)} without element {step}")
    raise NotUnderstood(f"{walked} is {kind(value)} and has no field {step}")


def _refuse(word: str) -> NoReturn:
    raise NotUnderstood(f"the answer holds {word}, which is not JSON")
