"""A process of jobs for each line of its input, whose number it prints; loaded once for all.

A program: ``python -m tests.faults.jobs_program``.
"""

import asyncio
import os
import signal
import sys

from app.jobs import work
from app.platform import logs
from app.settings import read_settings


def main() -> None:
    """Fork at each line."""
    settings = read_settings()
    logs.configure(settings)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        process = os.fork()
        if not process:
            asyncio.run(work(settings, asyncio.Event(), workers=0))
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
