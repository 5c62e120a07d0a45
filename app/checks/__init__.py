"""May I contact this person? One check, or many; the answer is never older than the question.

A check writes nothing and caches nothing that an opt-out could change; without PostgreSQL's answer
it answers nobody. A scrub asks the same about each row of a file, as a job, all as of one position.
"""

from . import api, scrubs_api
from .api import Desk
from .batches import ALLOW, UNUSABLE, Decided, Line, decide_many
from .digesting import Digester
from .lookups import LookUps
from .scrubbing import Tools, scrubber

ROUTERS = (*api.ROUTERS, *scrubs_api.ROUTERS)

__all__ = [
    "ALLOW",
    "ROUTERS",
    "UNUSABLE",
    "Decided",
    "Desk",
    "Digester",
    "Line",
    "LookUps",
    "Tools",
    "decide_many",
    "scrubber",
]
