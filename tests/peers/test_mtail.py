"""mtail, the peer of the benchmarks, counts what its program says."""

from __future__ import annotations

from pathlib import Path

from tests.peers.mtail import one_shot


def test_one_shot_counts_and_times(tmp_path: Path) -> None:
    """One run over a file gives the metrics, labelled values summed, and the seconds it took."""
    log = tmp_path / "a.log"
    log.write_text("block by bpa\nblock by bpb\nblock by bpa\nnothing\n")
    program = "counter blocks by producer\n/^block by (?P<producer>\\w+)$/ {\n  blocks[$producer]++\n}\n"
    result = one_shot(program, [log], tmp_path / "mtail")
    assert result.value("blocks") == 3
    assert result.metrics["blocks"][0]["Keys"] == ["producer"]
    assert result.seconds > 0
