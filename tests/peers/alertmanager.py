"""A real Alertmanager on loopback that notifies an `Inbox` in the test process."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.peers import free_port, installed
from tests.peers.ask import answers, get, get_json
from tests.peers.inbox import Inbox
from tests.peers.process import Program, run

# Every alert is a group of its own and leaves at once, so that a test sees each change of each alert.
CONFIGURATION = """\
route:
  receiver: inbox
  group_by: ['...']
  group_wait: 0s
  group_interval: 1s
  repeat_interval: {repeat_interval}
receivers:
  - name: inbox
    webhook_configs:
      - url: {url}
        send_resolved: true
        max_alerts: 0
"""


class Alertmanager:
    """One Alertmanager without a cluster. It keeps its port and storage over `stop()` and `start()`.

    Debian's 0.25 keeps alerts in memory only and writes its notification log to disk at a clean stop: after
    `stop()` and `start()` it knows no alert, but does not notify again for one it notified before. After
    `kill()` it does.
    """

    def __init__(self, directory: Path, repeat_interval: str = "1h", configuration: str = "") -> None:
        self.port = free_port()
        self.inbox = Inbox()
        self._directory = directory
        self._repeat_interval = repeat_interval
        self._configuration = configuration
        self._program = Program("alertmanager", [], directory / "alertmanager.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Open the inbox, write the configuration and start."""
        program = installed("prometheus-alertmanager")
        self.inbox.start()
        self._directory.mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "alertmanager.yml"
        configuration.write_text(
            self._configuration or CONFIGURATION.format(url=self.inbox.url, repeat_interval=self._repeat_interval)
        )
        self._program.argv = [
            program,
            f"--config.file={configuration}",
            f"--storage.path={self._directory / 'storage'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
        ]
        self.start()

    def start(self) -> None:
        self._program.start(lambda: answers(f"{self.url}/-/ready"))

    def stop(self) -> None:
        """A clean stop; the inbox stays open."""
        self._program.stop()

    def kill(self) -> None:
        self._program.kill()

    def alerts(self, **labels: str) -> list[dict[str, Any]]:
        """The alerts it knows, with these labels, as `/api/v2/alerts` gives them; those past `endsAt` are not in it."""
        found: list[dict[str, Any]] = get_json(f"{self.url}/api/v2/alerts")
        return [alert for alert in found if labels.items() <= alert["labels"].items()]

    def metric(self, name: str) -> float:
        """The sum of one of its own metrics over all labels."""
        lines = get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()
        self.inbox.stop()


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Debian's amtool, e.g. `amtool("check-config", "alertmanager.yml")`."""
    return run([installed("amtool"), *arguments])
