"""May I contact this person? One check, or many; the answer is never older than the question.

A check writes nothing and caches nothing that an opt-out could change; without PostgreSQL's answer
it answers nobody. A scrub asks the same about each row of a file; it is queued here, and done in
`scrubbing`.
"""

from . import api, policies_api, scrubs_api
from .api import Desk
from .batches import ALLOW, UNUSABLE, Decided, Line, decide_many
from .counsel import Counsel, load_law, together
from .lawful_batches import Judge
from .lawful_models import LawfulCheckOut
from .lookups import LookUps
from .policies_api import evaluated
from .policies_models import EvaluationIn
from .scrubs import KIND as SCRUB
from .scrubs import Scrub, cancel_scrub, find_scrub, queue_scrub, require_result
from .scrubs_api import ScrubIn, hand_out, stored_of

ROUTERS = (*api.ROUTERS, *scrubs_api.ROUTERS, *policies_api.ROUTERS)

__all__ = [
    "ALLOW",
    "ROUTERS",
    "SCRUB",
    "UNUSABLE",
    "Counsel",
    "Decided",
    "Desk",
    "EvaluationIn",
    "Judge",
    "LawfulCheckOut",
    "Line",
    "LookUps",
    "Scrub",
    "ScrubIn",
    "cancel_scrub",
    "decide_many",
    "evaluated",
    "find_scrub",
    "hand_out",
    "load_law",
    "queue_scrub",
    "require_result",
    "stored_of",
    "together",
]
