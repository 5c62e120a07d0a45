"""Where a scrub goes on, whoever goes on with it."""

from dataclasses import dataclass

from app.files import Job
from app.identifiers import PHONE_TABLES


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scrub goes on.

    ``after`` is the journal's position before the first look-up, ``blocks`` and ``rows`` what is
    answered, ``written`` and ``size`` the groups and bytes of the result; ``keys`` and ``tables``
    are the digest keys of the answers, and the phone tables that numbers were read by.
    ``ids`` is below which id the contact points of the roll stand (0: there is none), ``parts``
    how many parts of it all rows were compared with, of those that come after the first.
    ``judged_at`` is the moment that the law is asked about, empty where it is not asked;
    ``grouping`` is how its program grouped the rows.
    """

    answers: str
    after: int
    keys: tuple[int, ...]
    tables: str = PHONE_TABLES
    blocks: int = 0
    rows: int = 0
    ids: int = 0
    parts: int = 0
    settled: bool = False
    written: int = 0
    chunks: int = 0
    size: int = 0
    media_type: str = ""
    judged_at: str = ""
    grouping: int = 0

    @classmethod
    def of(cls, job: Job) -> "Place | None":
        """Read it from a job, None if it has not begun."""
        if job.resume is None:
            return None
        return cls(**{**job.resume, "keys": tuple(job.resume["keys"])})
