"""The description of the HTTP API is one, and says what is asked and answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.core.result import Ok

from keeper.receiver.confirm import answer, body_of, question_of_body, question_of_query
from keeper.receiver.openapi import description
from keeper.receiver.packet import Event, Said, packet_of
from keeper.receiver.settings import ReceiverSettings
from keeper.receiver.standing import CODES
from keeper.receiver.stores.sqlite import open_reader, open_store

jsonschema = pytest.importorskip("jsonschema_rs")


def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(description(ReceiverSettings())))
    return found


def test_it_is_read_by_a_program_that_knows_openapi() -> None:
    """Every operation of every path, and those of a site with paths of its own."""
    schema = schemathesis.openapi.from_dict(described())
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    found = {(one.method.upper(), one.path) for one in operations}
    assert found == {
        ("POST", "/"), ("POST", "/log/{rest}"), ("PUT", "/log/{rest}"), ("POST", "/put"), ("PUT", "/put"),
        ("GET", "/v1/confirmed"), ("POST", "/v1/confirmed"), ("GET", "/v1/openapi.json"),
    }  # fmt: skip
    other = ReceiverSettings(packet_paths=("/a", "/b/*"), line_paths=(), put_paths=())
    assert {*description(other)["paths"]} == {"/a", "/b/{rest}", "/v1/confirmed", "/v1/openapi.json"}


def test_every_status_it_tells_of_is_one_that_is_answered() -> None:
    """No status that no part of the receiver knows."""
    told = {code for path in described()["paths"].values() for how in path.values() if "responses" in how
            for code in how["responses"]}  # fmt: skip
    assert {int(code) for code in told} <= {*CODES}


def test_questions_and_answers_are_as_it_says(tmp_path: Path) -> None:
    """What the sender's side asks, and what is answered, fit their schemas."""
    confirmed = described()["paths"]["/v1/confirmed"]
    asked = confirmed["post"]["requestBody"]["content"]["application/json"]["schema"]
    kinds = {
        how: jsonschema.validator_for(confirmed[how]["responses"]["200"]["content"]["application/json"]["schema"])
        for how in ("get", "post")
    }
    packet = packet_of(Said("T", [Event(None, b"{}")]), "stats", 5, 1.0)
    store = open_store(tmp_path / "store.db")
    store.store([packet])
    store.close()
    reader = open_reader(tmp_path / "store.db")
    body = body_of("stats", [(5, packet.content), (None, bytes(16))], 2.5)
    assert jsonschema.validator_for(asked).is_valid(json.loads(body))
    by_body = json.loads(answer(question_of_body(body), "stats", reader, complete=True))
    by_query = json.loads(answer(question_of_query("ids=1-9"), "stats", reader, complete=False))
    reader.close()
    assert kinds["post"].is_valid(by_body)
    assert kinds["get"].is_valid(by_query)
    assert not kinds["get"].is_valid(by_body)
