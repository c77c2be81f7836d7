"""Why an HTTP request failed, for a person: half a sentence about the server, made from the exception underneath."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests

from keeper.formats.json_answer import one_line

# The first that fits. RemoteDisconnected is a ConnectionResetError and a BadStatusLine too.
_SENTENCES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (http.client.RemoteDisconnected, "closed the connection without an answer"),
    (ConnectionResetError, "reset the connection"),
    (BrokenPipeError, "reset the connection"),
    (http.client.IncompleteRead, "closed the connection in the middle of the answer"),
    (http.client.LineTooLong, "sent a header without end"),
    (http.client.HTTPException, "does not answer in HTTP"),
    (UnicodeError, "the host name cannot be resolved: it is no name of a host"),
    (requests.exceptions.InvalidURL, "the address is not a URL like http://127.0.0.1:8888"),
    (requests.exceptions.MissingSchema, "the address is not a URL like http://127.0.0.1:8888"),
)


def timed_out(error: BaseException) -> bool:
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))


def reason(error: BaseException) -> str:
    """Name the cause. The text of an exception is never quoted, as it may hold the URL with its password."""
    for cause in _causes(error):
        sentence = _sentence(cause)
        if sentence:
            return sentence
    return f"the request failed ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those it was made from, outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _sentence(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not valid: {one_line(cause.verify_message, 100)}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {(cause.reason or 'protocol error').replace('_', ' ').lower()}"
    if isinstance(cause, socket.gaierror):
        return f"the host name cannot be resolved: {(cause.strerror or 'no reason given').lower()}"
    for kind, sentence in _SENTENCES:
        if isinstance(cause, kind):
            return sentence
    if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
        return (cause.strerror or "").lower()
    return ""
