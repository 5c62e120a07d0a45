"""Memory of a process that works on large texts: kept while it works, given back when it is done.

Left to itself glibc takes each large text from the kernel and gives it back at once, a page fault
for every four kilobytes: a fifth of what a scrub cost its processors. Or it learns to keep them, in
holes: 200 MB after a file or two. On another C library both functions do nothing.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), by their numbers in <malloc.h>."""
_LARGE = 33_554_432
_KEPT = 67_108_864

_library = ctypes.CDLL(None)


def keep_memory() -> None:
    """Let what is freed be used again, up to 64 MiB of it; call it before there are threads."""
    mallopt = getattr(_library, "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _KEPT)
        # What one thread freed another may use.
        mallopt(_ARENA_MAX, 1)


def return_memory() -> None:
    """Give what is free back to the kernel; some milliseconds."""
    trim = getattr(_library, "malloc_trim", None)
    if trim is not None:
        trim(0)
