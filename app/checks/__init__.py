"""May I contact this person? One check, or many; the answer is never older than the question.

It writes nothing and caches nothing that an opt-out could change; without PostgreSQL's answer it
answers nobody.
"""

from .api import ROUTERS, Desk
from .batches import ALLOW, UNUSABLE, Decided, Line, decide_many
from .lookups import LookUps

__all__ = [
    "ALLOW",
    "ROUTERS",
    "UNUSABLE",
    "Decided",
    "Desk",
    "Line",
    "LookUps",
    "decide_many",
]
