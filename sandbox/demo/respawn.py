"""`python -m sandbox.demo.respawn NAME COMMAND_VARIABLE`: one process of the demo, started again.

The command comes from an environment variable, so that whoever kills a process by its command
line (`pkill -f "celery -A console worker"`) kills that and not its keeper.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

PAUSE_SECONDS = 0.5


def main() -> int:
    command = os.environ[sys.argv[2]]
    child: subprocess.Popen[bytes] | None = None
    ending = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True
        if child is not None:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not ending:
        child = subprocess.Popen(f"exec {command}", shell=True)  # noqa: S602 - our own Procfile
        code = child.wait()
        if not ending:
            print(f"{sys.argv[1]} ended ({code}); it is started again", file=sys.stderr)
            time.sleep(PAUSE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
