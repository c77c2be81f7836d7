"""A real Prometheus on loopback, and promtool."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers import free_port, installed
from tests.peers.ask import answers, eventually, get_json, post_json
from tests.peers.process import Program, run

Sample = dict[str, Any]  # {"metric": {label: value}, "value": [unix seconds, "number"]}, as Prometheus answers


class Prometheus:
    """One Prometheus that scrapes `targets` ("host:port", path /metrics, job `keeper`) every `interval`.

    The first scrape comes 5 s after the start: Prometheus' service discovery waits that long.
    `rules` are rule files; `alertmanagers` are "host:port". A whole `configuration` text replaces all of it.
    """

    def __init__(
        self,
        directory: Path,
        targets: Sequence[str] = (),
        rules: Sequence[Path] = (),
        alertmanagers: Sequence[str] = (),
        interval: str = "1s",
        configuration: str = "",
    ) -> None:
        self.port = free_port()
        self._directory = directory
        self._configuration = configuration or _configuration(targets, rules, alertmanagers, interval)
        self._program = Program("prometheus", [], directory / "prometheus.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Write the configuration and start."""
        program = installed("prometheus")
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "prometheus.yml"
        configuration.write_text(self._configuration)
        self._program.argv = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
            # It learns its Alertmanagers 5 s after the start and drops what fires before: let it say it again.
            "--rules.alert.resend-delay=1s",
        ]
        self.start()

    def start(self) -> None:
        self._program.start(lambda: answers(f"{self.url}/-/ready"), deadline=30)

    def stop(self) -> None:
        """A clean stop; what it scraped stays on disk."""
        self._program.stop()

    def reload(self, configuration: str) -> None:
        """Take another configuration; requests.HTTPError with Prometheus' words when it refuses it."""
        (self._directory / "prometheus.yml").write_text(configuration)
        post_json(f"{self.url}/-/reload")

    def query(self, expression: str) -> list[Sample]:
        """The instant vector of a PromQL expression now; a bad expression is a requests.HTTPError with the reason."""
        data = get_json(f"{self.url}/api/v1/query", query=expression)["data"]
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        samples: list[Sample] = data["result"]
        return samples

    def wait_for(
        self, expression: str, enough: Callable[[list[Sample]], object] = bool, deadline: float = 20.0
    ) -> list[Sample]:
        """Query until `enough(samples)`, by default until there is one, and return the samples."""
        answer: list[Sample] = []

        def question() -> object:
            answer[:] = self.query(expression)
            return enough(answer)

        eventually(question, f"Prometheus to answer {expression}", deadline, every=0.2)
        return answer

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()


def promtool(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run Debian's promtool, e.g. `promtool("check", "metrics", stdin=page)`."""
    return run([installed("promtool"), *arguments], stdin)


def _configuration(targets: Sequence[str], rules: Sequence[Path], alertmanagers: Sequence[str], interval: str) -> str:
    # JSON is YAML.
    return json.dumps(
        {
            "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
            "rule_files": [str(path.resolve()) for path in rules],
            "scrape_configs": [{"job_name": "keeper", "static_configs": [{"targets": list(targets)}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]},
        },
        indent=2,
    )
