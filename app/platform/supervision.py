"""Ending with the process that started this one, whatever became of it.

``optout serve`` killed with -9 would leave its web processes on the port, answering without a
database. It stands on the ground because web processes and the worker both need it.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_VARIABLE = "OPTOUT_SUPERVISOR"


def supervise() -> None:
    """Make this process the supervisor of those that it will start."""
    os.environ[_VARIABLE] = str(os.getpid())


def end_with_supervisor() -> None:
    """Be sent SIGTERM when the supervisor ends; leave at once if it has ended already.

    Does nothing in a process without a supervisor, or in the supervisor itself. The kernel
    watches the thread that started this process (prctl(2)): let that be one that stays.
    """
    supervisor = int(os.environ.get(_VARIABLE, "0"))
    if supervisor in {0, os.getpid()}:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:
        sys.exit("The process that started this one has ended.")
