"""What people write back: does it say stop, in the word that was asked for or in their own?

A language is a file here (`fr.toml`, `en.toml`); adding one is adding a file. Pure: text in, a
reading out, in bounded time. It leans towards hearing an objection: a review that was not needed
costs a minute, one that was not heard costs the person their peace.
"""

from .folding import fold
from .reading import LONGEST, Reading, Says, read_wording

__all__ = ["LONGEST", "Reading", "Says", "fold", "read_wording"]
