"""Writes many logs at an even pace: `python -m bench.writer DIRECTORY LOGS RATE`, until it is killed.

Each log gets `RATE` lines a second, one write a line, and all of them are spread over time, as many programs would.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

# One line in a hundred is one that the patterns of the benchmark look for.
CHATTER = "INFO  packet %d of 20 events taken by collector-3.example:9090 in 12 ms, 0 waiting, 1048576 bytes free\n"
TROUBLE = "WARN  packet %d: connection to collector-3.example:9090 refused, will be sent again in 500 ms\n"


def main() -> None:
    directory, logs, rate = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    files = [(directory / f"log{number}.log").open("ab", buffering=0) for number in range(logs)]
    pause = 1.0 / (rate * logs)
    due = time.monotonic()
    number = 0
    while True:
        due += pause
        time.sleep(max(due - time.monotonic(), 0.0))
        line = (TROUBLE if number // logs % 100 == 99 else CHATTER) % number
        stamp = time.strftime("%Y-%m-%d %H:%M:%S ", time.gmtime())
        files[number % logs].write((stamp + line).encode())
        number += 1


if __name__ == "__main__":
    main()
