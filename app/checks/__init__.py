"""May I contact this person? One check, a batch; the answer is never older than the question.

It writes nothing and caches nothing that an opt-out could change; without PostgreSQL's answer it
answers nobody.
"""

from .api import ROUTERS, Desk
from .lookups import LookUps

__all__ = ["ROUTERS", "Desk", "LookUps"]
