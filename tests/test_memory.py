"""Memory of a process that works on large texts: used again while it works, then given back."""

import json
import subprocess
import sys

# In a process of its own, since nothing takes such a setting back.
_PROGRAM = """
import json, resource
from pathlib import Path
from app.platform.memory import keep_memory, return_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

def work():
    return len([b"." * 5_000_000 for _ in range(10)])

keep_memory()
work()
before = faults()
work()
again = faults() - before
held = resident()
return_memory()
print(json.dumps({"again": again, "returned": held - resident()}))
"""
_TEXT = 5_000_000 // 4_096
"""Pages of one of its ten texts."""


def test_what_was_freed_is_used_again_and_given_back_when_it_is_said() -> None:
    ended = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    )
    pages = json.loads(ended.stdout)
    assert pages["again"] < _TEXT
    assert pages["returned"] > 9 * _TEXT
