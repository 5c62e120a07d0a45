"""The route by which a database finds what its copy of the list lost."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field

from app.journal import CursorExpired, JournalForked
from app.platform.db import database_of
from app.platform.openapi import responses
from app.platform.pages import BadCursor
from app.platform.web import router
from app.platform.wire import Answer, WireModel
from app.registry import Digest

from .digests import MOST_PARTS, Asked, BeyondTheJournal, Of, Part, Survey, survey
from .journal_api import Follower
from .models import journal_cursor

digest = router("/v1/journal/digest", "journal")

_Position = Annotated[int, Field(ge=1, le=2**62)]


class DigestQuery(WireModel):
    """Which range, in how many parts."""

    first: _Position = Field(1, alias="from")
    to: Annotated[int | None, Field(ge=0, le=2**62)] = Field(
        None, description="The last position; left out: the head"
    )
    parts: Annotated[
        int, Field(ge=1, le=MOST_PARTS, description="As many, or one for each position")
    ] = 1
    of: Of = Field("all", description="`own`: what is suppressed for the key's database")
    cursor: Annotated[
        str | None,
        journal_cursor("A cursor of yours, to learn of a fork instead of differences"),
    ] = None

    @property
    def asked(self) -> Asked:
        """Say it as the rules do."""
        return Asked(self.first, self.to, self.parts, self.of, self.cursor)


class DigestOut(Answer):
    """How many states, and what their positions and versions come to."""

    count: int
    digest: str = Field(description="XOR of SHA-256(`position:version`), 64 hex digits")

    @classmethod
    def told(cls, digest: Digest) -> "DigestOut":
        """Show a digest."""
        return DigestOut(count=digest.count, digest=digest.hex)


class PartOut(DigestOut):
    """A part of the range, both bounds included."""

    first: int = Field(serialization_alias="from")
    to: int
    erased: DigestOut | None = Field(
        description="With `of=own`: those whose values were destroyed, not counted beside it"
    )

    @classmethod
    def of(cls, part: Part, of: Of) -> "PartOut":
        """Show a part."""
        told, erased = part.digest.told, part.digest.erased
        return PartOut(
            count=told.count,
            digest=told.hex,
            first=part.first,
            to=part.last,
            erased=DigestOut.told(erased) if of == "own" else None,
        )


class SurveyOut(Answer):
    """The digests of a range."""

    journal: UUID
    head: int = Field(description="The journal's last position when all parts were counted")
    of: Of
    cursor: str = Field(description="From where the feed brings the entries of the range")
    parts: list[PartOut]

    @classmethod
    def told(cls, survey: Survey, of: Of) -> "SurveyOut":
        """Show a survey."""
        parts = [PartOut.of(part, of) for part in survey.parts]
        return SurveyOut(
            journal=survey.journal, head=survey.head, of=of, cursor=survey.cursor, parts=parts
        )


@digest.get("", responses=responses(BadCursor, JournalForked, CursorExpired, BeyondTheJournal))
async def digest_journal(
    request: Request, query: Annotated[DigestQuery, Query()], follower: Follower
) -> SurveyOut:
    """Learn whether a copy of the list is whole, and if not, where; nobody is told of.

    Each state of a contact point and brand lies at the position of its last entry. A part counts
    the states that lie in it and holds the XOR of their SHA-256 over `position:version` in ASCII.
    Known answer: the states `1:1` and `3:2` give count 2 and digest
    `a22972742931e7a3252da41bb121dc8380fe17810774445fda2b0e8076ad357d`.

    With `of=all` every state counts, those of which nothing is suppressed any more too: the same
    answer for every database. With `of=own` those count that your snapshot lists, and those that
    it leaves out because their values were destroyed stand in `erased`: a database that was told
    of them keeps them, one that came later cannot know them. So `own` serves any filter and format,
    and a copy that began with a snapshot. A range has at most 2,000,000 positions.

    **To verify a copy** that keeps `position` and `version` with each row:

    1. Apply the feed until `has_more` is false, and take its `head`.
    2. Ask with `of=own` up to there, in parts of at most 1,000 positions: a million in 1,000 parts.
       Count and XOR your own rows by the part in which their position lies, without those whose
       media are empty. A part is whole if both equal those of the part, or those of the part and
       its `erased` together (counts added, digests XORed).
    3. Ask for each part that is not whole alone, `parts` being its number of positions. Apply the
       feed until it has no more, for what came meanwhile. Then read the feed from this answer's
       `cursor` with `limit=1000`, up to the part's end, and for each position:
       - `count` is 1, and the digest is that of the entry's position and version: the entry is a
         present state. Keep it, unless you hold a higher version, or the very same.
       - `count` is 0 and `erased.count` is 0, and you hold a row with media at this position: it is
         not what the registry says. Set its version and position to 0, so that whatever comes
         about it counts, and go on blocking.
    4. Begin again until nothing was mended. Then the rows with version 0 are about nobody whom the
       registry can still name: delete them, but if `erased` came to count more states than you
       hold or ever lacked, go on blocking them all, for those people may be among them.

    A row whose content was altered under the same version is not seen by this: keep a checksum with
    each row, and set its version and position to 0 where it does not fit. A database registered
    with `start: latest` asks from the position after which it began.
    """
    asked = query.asked
    return SurveyOut.told(await survey(database_of(request), follower.database, asked), asked.of)
