"""What one would write to find lost packets, and has written: line by line, a regex that takes each line apart, sends
and answers paired by id in a dict.

    python -m bench.collect_baseline FOLDER LOG.gz...

Writes `collected-unsent` and `collected-no-response` as `keeper collect` does. It knows nothing of restarts, of cut
lines or of what users write, and keeps in memory all that waits for an answer.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
from pathlib import Path

LINE = re.compile(r"\[(\S+ \S+),(\d+) (\w+)\] (.+)")
SENT = re.compile(r"sendThrift LIST: key='(\w+)', data=(\[.*\]), packet_id=(\d+)")
ANSWERED = re.compile(r"onSendThriftHttpResponse: key='(\w+)', packet_id=(\d+), response=HTTPResponse\(.*?code=(\d+)")


def main(folder: Path, logs: list[str]) -> None:
    waiting: dict[str, tuple[float, str, str]] = {}
    with (folder / "collected-unsent").open("w") as unsent:
        for log in logs:
            with gzip.open(log, "rt", encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    parts = LINE.match(line)
                    if not parts:
                        continue
                    text = parts[4]
                    if text.startswith("sendThrift LIST: ") and (sent := SENT.match(text)):
                        at = time.mktime(time.strptime(parts[1], "%Y-%m-%d %H:%M:%S")) + int(parts[2]) / 1000
                        waiting[sent[3]] = at, sent[1], sent[2]
                    elif text.startswith("onSendThriftHttpResponse: ") and (answered := ANSWERED.match(text)):
                        packet = waiting.pop(answered[2], None)
                        if packet and answered[3] != "200":
                            unsent.write(f"{answered[2]}: {packet[1]}: {packet[2]}\n")
    with (folder / "collected-no-response").open("w") as silent:
        for number, (at, key, data) in waiting.items():
            silent.write(f"[{at:.3f}] {number}: {key}: {data}\n")


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir()
    main(Path(sys.argv[1]), sys.argv[2:])
