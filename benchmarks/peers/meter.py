"""What a peer says of itself at its end: seconds, processor time and memory, as JSON.

Imported by the peers' scripts, each under its own interpreter: only the standard library is here.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

BOOTSTRAP = sys.argv[1]
TOPIC = sys.argv[2]
POSTS = int(sys.argv[3])
NAME = f"{Path(sys.argv[0]).stem}.{os.getpid()}"
"""For a consumer group that nobody else is in."""

_begun: tuple[float, float] | None = None


def begin() -> None:
    """The first post has come; called again it changes nothing."""
    global _begun  # noqa: PLW0603 - one process, one measurement
    if _begun is None:
        _begun = (time.monotonic(), _cpu_seconds())


def end(posts: int) -> None:
    """The last post has been counted: print what it took."""
    assert _begun is not None
    seconds, cpu = time.monotonic() - _begun[0], _cpu_seconds() - _begun[1]
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    assert peak is not None
    figures = {"posts": posts, "seconds": seconds, "cpu": cpu, "peak_mib": int(peak[1]) / 1024}
    sys.stdout.write(f"\n{json.dumps(figures)}\n")
    sys.stdout.flush()


def _cpu_seconds() -> float:
    """Of all threads of this process."""
    spent = os.times()
    return spent.user + spent.system
