"""Scrubs: the files of campaigns, asked about as a whole; kept for hours, sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.files import (
    Job,
    NewJob,
    add_job,
    cancel_job,
    find_job,
    keep_file,
    release_file,
)
from app.journal import Media
from app.platform.problems import Problem
from app.policy import Terms

from .terms import read_terms, write_terms

KIND = "scrub"
"""The kind of their jobs."""
KEPT = timedelta(hours=24)
"""The longest that anything of a scrub is kept, from its beginning, downloaded or not."""

Keep = Literal["all", "allowed"]
_NO_TERMS = Terms()


class ScrubUnfinished(Problem):
    """The scrub is queued or running, or has failed: there is no result, and nobody is allowed.

    Ask `GET /v1/scrubs/{id}` for its `state`, and for its `error` if it has failed.
    """

    type = "scrub-unfinished"
    title = "The scrub has no result"
    status = 409


class ScrubGone(Problem):
    """What was kept of it was deleted: an hour after its download, or after a day. Scrub anew."""

    type = "scrub-gone"
    title = "The scrub was deleted"
    status = 410


@dataclass(frozen=True, slots=True)
class Scrub:
    """What is asked about the rows of a file; ``brand`` is a number, None for any of them.

    ``refreshes`` is the scrub whose changed rows are asked for, None for a scrub of all rows;
    ``terms`` are what the campaign is about.
    """

    medium: Media
    brand: int | None
    region: str
    column: str | None
    keep: Keep
    began_at: datetime
    refreshes: UUID | None = None
    terms: Terms = _NO_TERMS

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Self:
        """Read it from a job's parameters."""
        of = params["refreshes"]
        return cls(
            Media(params["medium"]),
            params["brand"],
            params["region"],
            params["column"],
            params["keep"],
            datetime.fromisoformat(params["began_at"]),
            None if of is None else UUID(of),
            read_terms(params.get("terms") or {}, params["brand"]),
        )

    def write(self) -> dict[str, Any]:
        """Write it as a job's parameters."""
        return {
            "medium": int(self.medium),
            "brand": self.brand,
            "region": self.region,
            "column": self.column,
            "keep": self.keep,
            "began_at": self.began_at.isoformat(),
            "refreshes": None if self.refreshes is None else str(self.refreshes),
            "terms": write_terms(self.terms),
        }

    @property
    def expires_at(self) -> datetime:
        """Tell when all of it is deleted at the latest."""
        return self.began_at + KEPT


async def queue_scrub(
    session: AsyncSession,
    scrub: Scrub,
    *,
    job: UUID,
    key: int,
    upload: UUID,
    at: datetime,
    most: int | None,
) -> Job:
    """Queue the scrub of an upload, which is kept for a day; that of a refresh is kept already.

    Raises:
        TooManyJobs: the key has ``most`` under way.
    """
    if scrub.refreshes is None:
        await keep_file(session, upload, until=scrub.expires_at)
    new = NewJob(job, KIND, key, scrub.write(), upload, at)
    return await add_job(session, new, most=most)


def require_result(job: Job) -> UUID:
    """Give the file of a scrub's result.

    Raises:
        ScrubUnfinished: there is none.
    """
    if job.state != "done" or job.result is None:
        raise ScrubUnfinished(f"The scrub is {job.state}.")
    return job.result


async def find_scrub(session: AsyncSession, job: UUID, *, key: int | None) -> Job | None:
    """Find a scrub of a key, or of whichever (None)."""
    found = await find_job(session, job, kind=KIND)
    return found if found is not None and key in (None, found.key) else None


def files_of(job: Job) -> list[UUID]:
    """List the files that a scrub and its refreshes need: upload, result, answers."""
    answers = (job.resume or {}).get("answers")
    found = [job.upload, job.result, None if answers is None else UUID(answers)]
    return [file for file in found if file is not None]


async def release_scrub(session: AsyncSession, job: Job, *, at: datetime) -> None:
    """Let what is kept of a scrub be deleted from a time on."""
    for file in files_of(job):
        await release_file(session, file, at=at)


async def cancel_scrub(session: AsyncSession, job: Job, *, at: datetime) -> None:
    """End a scrub if it has not ended, and delete what is kept of it."""
    await cancel_job(session, job, at=at)
    await release_scrub(session, job, at=at)
