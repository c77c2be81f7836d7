"""What keeper does with its guard, and nothing else: arm it, have the node resumed, move the deadline for ever.

    python -m tests.failover.guarded_keeper DIRECTORY API KILL LEAD EVERY

Each deadline is LEAD seconds ahead, moved EVERY seconds. It prints `producing` and, when the guard has fired, why.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from keeper.runtime.clock import since_boot
from keeper.runtime.guard_process import Duty, GuardFired, GuardProcess


def main(directory: str, api: str, kill: str, lead: str, every: str) -> None:
    guard = GuardProcess(Path(directory))
    guard.start()
    duty = Duty(api, kill, 3.0)
    try:
        guard.arm(since_boot() + float(lead), duty)
        guard.resume()
        print("producing", flush=True)
        while True:
            time.sleep(float(every))
            guard.arm(since_boot() + float(lead), duty)
    except GuardFired as fired:
        print(fired, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
