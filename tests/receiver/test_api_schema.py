"""schemathesis reads the API's own description and asks the running receiver what it says, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.receiver.receiver_process import ReceiverProcess

# Lines are also taken by GET with a body, as the old server did, and OpenAPI has no such: two of the checks are about
# it. And JSON Schema cannot say what a line or a Thrift message is: most texts that it lets through are none.
EXCLUDED = ("unsupported_method", "allow_header_conformance", "positive_data_acceptance")


def test_the_api_is_as_described(tmp_path: Path, seed: int) -> None:
    """Its answers have the described codes, headers and shapes, what is not described is refused, nothing is a 500."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    with ReceiverProcess(tmp_path) as receiver:
        url = f"http://{receiver.address}/v1/openapi.json"
        argv = [
            program,
            "run",
            url,
            "--max-examples",
            "15",
            "--seed",
            str(seed),
            "--exclude-checks",
            ",".join(EXCLUDED),
        ]
        asked = subprocess.run(argv, cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False)
        assert asked.returncode == 0, asked.stdout[-20_000:]
        answers = receiver.status()["answers"]
        assert (answers["500"], answers["200"] > 10) == (0, True)
        receiver.drain()
        assert receiver.status()["dead_records"] == 0
        assert "Traceback" not in receiver.log.read_text(), receiver.tail()
