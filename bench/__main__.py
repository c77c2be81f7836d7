"""`python -m bench [NAME...] [--quick]`: run all benchmarks or some, and print their figures."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import collect, collectors, failover, footprint, latency, queue, receive, replay, stores
from bench.figures import Figure, table

BENCHES: dict[str, Callable[[Path, bool], Iterator[Figure]]] = {
    "replay": replay.figures,
    "collect": collect.figures,
    "collectors": collectors.figures,
    "latency": latency.figures,
    "footprint": footprint.figures,
    "failover": failover.figures,
    "receive": receive.figures,
    "queue": queue.figures,
    "stores": stores.figures,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure keeper against peers, in one run each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(BENCHES)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it runs; the figures mean nothing"
    )
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in BENCHES]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    found: list[Figure] = []
    for name in args.names or BENCHES:
        print(f"{name}: load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="keeper-bench-") as directory:
            for figure in BENCHES[name](Path(directory), args.quick):
                print(f"  {figure.what}: {figure.value}", file=sys.stderr, flush=True)
                found.append(figure)
    print(table(found))
    return 1 if any(figure.met is False for figure in found) and not args.quick else 0


if __name__ == "__main__":
    sys.exit(main())
