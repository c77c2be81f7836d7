"""The receiver's HTTP API in OpenAPI 3.1, as `/v1/openapi.json` serves it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keeper import __version__
from keeper.receiver.confirm import LONGEST_WAIT, MOST_PACKETS, WAIT
from keeper.receiver.packet import CONTENT_BYTES, LARGEST_ID, NAME
from keeper.receiver.settings import CONFIRMED, OPENAPI, ReceiverSettings

TAKEN = {
    "type": "object",
    "required": ["ok", "packets", "events", "wrong"],
    "additionalProperties": False,
    "properties": {
        "ok": {"const": 1},
        "packets": {"type": "integer", "minimum": 0, "description": "taken, and durable"},
        "events": {"type": "integer", "minimum": 0, "description": "in them"},
        "wrong": {"type": "integer", "minimum": 0, "description": "lines that were left out"},
        "why": {"type": "array", "items": {"type": "string"}, "description": "what is wrong with the first of them"},
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "what is wrong, in one sentence"}},
}
SOURCE = {
    "type": "string",
    "pattern": f"^{NAME.pattern}$",
    "description": "whose packets; left out: those of whoever asks, as its credentials or its address say",
}
RANGES = {"type": "string", "pattern": r"^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$", "examples": ["1,5,9-20"]}
SECONDS = {
    "type": "number",
    "minimum": 0,
    "maximum": LONGEST_WAIT,
    "default": WAIT,
    "description": "how long to wait until all that was accepted before is in the store",
}
COMPLETE = {
    "type": "boolean",
    "description": "all that was accepted before the question is in the store: only then has a missing packet not come",
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": 'what the sender calls the packet, for ever: `ID`, or `"AGENT/ID/CONTENT"` as keeper writes it',
    "schema": {"type": "string", "maxLength": 255},
}
ASKED_NAME = {
    "type": "array",
    "minItems": 2,
    "maxItems": 2,
    "prefixItems": [
        {"type": ["integer", "null"], "minimum": 0, "maximum": (1 << 63) - 1},
        {"type": "string", "pattern": f"^[0-9a-fA-F]{{{2 * CONTENT_BYTES}}}$"},
    ],
    "description": "the packet's id, or null, and its content: SHA-256 of its type and events, cut to 16 bytes",
}
ERRORS = {
    400: "it cannot be read, and never will be as it is",
    401: "credentials are missing or wrong",
    405: "another method is needed here",
    408: "the request was not whole in time",
    411: "neither a length nor chunks say where the body ends",
    413: "the body is larger than max_body, or unpacks to more",
    415: "neither Thrift nor JSON, or an encoding that is not gzip",
    429: "the queue, or its disk, is full: try again after Retry-After seconds",
    431: "the headers are too large",
    503: "it cannot be made durable, or looked up, for now: try again after Retry-After seconds",
}


def description(settings: ReceiverSettings) -> dict[str, Any]:
    """For the paths of this receiver: a path that ends in `*` has a parameter there."""
    paths: dict[str, Any] = {}
    for path in settings.packet_paths:
        paths |= _path(path, {"post": _packets()})
    for path in settings.line_paths:
        lines = _text("Lines `PROD DATE DATA`; wrong ones are left out", "lines")
        paths |= _path(path, {"post": lines, "put": lines})
    for path in settings.put_paths:
        lines = _text("OpenTSDB's put lines; wrong ones are left out", "put lines")
        paths |= _path(path, {"post": lines, "put": lines})
    paths[OPENAPI] = {
        "get": {
            "summary": "This description",
            "responses": {"200": _json("OpenAPI", {"type": "object"})} | _errors(_BODILESS),
            "security": [{}],
        }
    }
    paths[CONFIRMED] = {"get": _confirmed_ids(), "post": _confirmed_packets()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "keeper's receiver",
            "version": __version__,
            "description": "Takes packets and lines, makes them durable before it says ok, stores each of them once.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Taken": TAKEN, "Error": ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "login": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{}, {"token": []}, {"login": []}],
    }


def _path(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    if not path.endswith("*"):
        return {path: operations}
    rest = {"name": "rest", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}}
    return {f"{path.removesuffix('*')}{{rest}}": {"parameters": [rest], **operations}}


def _packets() -> dict[str, Any]:
    return {
        "summary": "One packet in Thrift's binary protocol, or packets in JSON",
        "parameters": [KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-thrift": {"schema": {"description": "one CALL message of a method that takes one list"}},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": {"type": "array", "items": {"type": "object"}},
                        "examples": [{"ChatMessages": [{"auid": 7, "timestamp": 1420000000, "message": "hello"}]}],
                    }
                },
            },
        },
        "responses": _taken(ERRORS),
    }


def _text(summary: str, what: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [KEY],
        "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string", "title": what}}}},
        "responses": _taken(ERRORS),
    }


def _confirmed_ids() -> dict[str, Any]:
    properties = {"source": SOURCE, "complete": COMPLETE, "confirmed": RANGES, "missing": RANGES}
    return {
        "summary": "Which of these ids are in the store",
        "parameters": [
            {"name": "source", "in": "query", "schema": SOURCE},
            {
                "name": "ids",
                "in": "query",
                "required": True,
                "description": f"ids and ranges of ids up to {LARGEST_ID}",
                "schema": {**RANGES, "minLength": 1},
            },
            {"name": "wait", "in": "query", "schema": SECONDS},
        ],
        "responses": {"200": _json("what is there and what is not", _object(properties))} | _errors(_BODILESS),
    }


def _confirmed_packets() -> dict[str, Any]:
    asked = {
        "type": "object",
        "required": ["packets"],
        "additionalProperties": False,
        "properties": {
            "source": {**SOURCE, "type": ["string", "null"]},
            "packets": {"type": "array", "maxItems": MOST_PACKETS, "items": ASKED_NAME},
            "wait": SECONDS,
        },
    }
    flags = {"type": "array", "items": {"type": "boolean"}, "description": "one for each packet, in the same order"}
    properties = {"source": SOURCE, "complete": COMPLETE, "confirmed": flags}
    return {
        "summary": "Which of these packets are in the store",
        "requestBody": {"required": True, "content": {"application/json": {"schema": asked}}},
        "responses": {"200": _json("whether each is there", _object(properties))} | _errors(ERRORS),
    }


_BODILESS = [code for code in ERRORS if code not in (411, 413, 415)]


def _taken(codes: Iterable[int]) -> dict[str, Any]:
    return {"200": _json("taken and durable", {"$ref": "#/components/schemas/Taken"})} | _errors(codes)


def _errors(codes: Iterable[int]) -> dict[str, Any]:
    found = {str(code): _json(ERRORS[code], {"$ref": "#/components/schemas/Error"}) for code in codes}
    for code in ("429", "503"):
        seconds = {"description": "seconds", "schema": {"type": "integer", "minimum": 0}}
        found[code]["headers"] = {"Retry-After": seconds}
    return found


def _json(meaning: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}
