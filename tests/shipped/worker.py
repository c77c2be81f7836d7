"""A process to look at: takes memory, files and threads as told, says its pid, and lives until it is killed.

Arguments: the name to bear (as the kernel has it, in comm), MiB, files, threads.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

name, mebibytes, files, threads = sys.argv[1], *map(int, sys.argv[2:])
Path("/proc/self/comm").write_text(name)
memory = b"x" * (mebibytes << 20)
opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(files)]
forever = threading.Event()
for _ in range(threads):
    threading.Thread(target=forever.wait, daemon=True).start()
spent = sum(number * number for number in range(2_000_000))  # some tenths of a second of CPU
print(os.getpid(), flush=True)
forever.wait()
