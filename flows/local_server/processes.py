"""Processes that outlive the command that started them: found again by their id, and ended with all they started."""

import os
import signal
import subprocess
import time
from contextlib import suppress

_POLL_SECONDS = 0.1


def is_running(pid: int, command: str) -> bool:
    """Whether the process runs this command: after a restart of the machine the id may be anybody's."""
    # -ww: lines of any length, whatever COLUMNS says
    listed = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return command in listed.stdout


def end(pid: int, patience: float) -> None:
    """Ends the process and its group: politely, and with SIGKILL if that took longer than `patience` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(pid, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # ours, if this very process started it
            if not _group_exists(pid):
                return
            time.sleep(_POLL_SECONDS)


def _group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True
