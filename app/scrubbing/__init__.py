"""A scrub at work: the rows of a file decided, in bulk, all as of one position of the journal.

Answers what `checks` was asked for and promises what a single check does. A room of its own because
the process of jobs alone does this work, in arrays of numpy, which no web process need hold.
"""

from .job import scrubber
from .tools import Tools

__all__ = ["Tools", "scrubber"]
