"""Which inputs a site has."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.errors import KeeperError
from keeper.receiver.inputs.table import INPUTS, inputs
from keeper.receiver.packet import Malformed
from keeper.receiver.settings import ReceiverSettings
from keeper.receiver.standing import INPUTS as COUNTED
from tests.delivery.statistics_server import IDL


def test_thrift_is_taken_where_there_is_an_idl() -> None:
    """All else is always taken; each input is one of those that are counted."""
    assert set(INPUTS) <= set(COUNTED)
    assert set(inputs(ReceiverSettings())) == {"json", "lines", "put"}
    assert set(inputs(ReceiverSettings(idl=str(IDL)))) == set(INPUTS)


def test_an_idl_that_is_none_is_said_at_once(tmp_path: Path) -> None:
    """Before anything is listened to."""
    bad = tmp_path / "bad.thrift"
    bad.write_text("struct {")
    with pytest.raises(KeeperError, match="cannot be understood"):
        inputs(ReceiverSettings(idl=str(bad)))


def test_the_longest_line_is_the_sites() -> None:
    """For both inputs that have lines."""
    found = inputs(ReceiverSettings(max_line=128))
    for name, line in (("lines", b"a 2026-03-01 " + b"x" * 116), ("put", b"put a 1 1 a=" + b"x" * 117)):
        assert found[name].read(line[:-1], 0.0).packets
        with pytest.raises(Malformed, match="longer than 128 bytes"):
            found[name].read(line, 0.0)
