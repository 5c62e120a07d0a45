"""What is said beside a file of opt-outs, and what is told of an import."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from app.files import Job, JobState, StoredFile
from app.journal import MediaWords, ReasonWord
from app.parties import Directory
from app.platform.ids import new_id
from app.platform.strict_json import read_field
from app.platform.wire import Answer, Flag, Instant, Slug, WireModel, text
from app.registry import VoidPreview

from .imports import Import
from .models import brand_slug
from .opt_outs import occurred


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    if "," in value:
        raise ValueError("media are joined by |, as sms|email")
    return value.split("|")


def read_flag(value: object) -> object:
    """Read a true or false that stands in a form's field; what is neither is left as it is."""
    flags = {"true": True, "1": True, "false": False, "0": False}
    return flags.get(value, value) if isinstance(value, str) else value


ColumnWord = Literal[
    "phone",
    "email",
    "siren",
    "customer",
    "area_code",
    "region",
    "occurred_at",
    "reason",
    "media",
    "brand",
]


def as_text(description: str, pattern: str | None = None) -> WithJsonSchema:
    """Describe a field of a form, which is text whatever is read from it."""
    schema: dict[str, Any] = {"type": "string", "description": description}
    return WithJsonSchema(schema | ({"pattern": pattern} if pattern else {}))


class ImportIn(WireModel):
    """What holds for the rows of a file that say nothing else."""

    channel: Slug | None = Field(None, description="Left out: the channel the key is bound to")
    media: Annotated[
        MediaWords | None,
        BeforeValidator(_words),
        as_text("Joined by |, as sms|email. Left out: every medium; for hard_bounce, email"),
    ] = None
    brand: Slug | None = Field(None, description="Left out: every brand")
    reason: ReasonWord | None = Field(
        None, description="Left out: what a known export stands for, else objection"
    )
    region: Annotated[
        str | None,
        Field(
            pattern="^[A-Z]{2}$",
            description="Of phone numbers in national form. Left out: OPTOUT_DEFAULT_REGION",
        ),
    ] = None
    occurred_at: Instant | None = Field(
        None, description="When it was said, for rows without a date. Left out: now"
    )
    mapping: Annotated[
        dict[Annotated[str, text(200)], ColumnWord] | None,
        Field(min_length=1, max_length=50),
        BeforeValidator(read_field),
        as_text(
            'JSON, the name of a column, or its number from 1, to what it holds: {"Tél": "phone"}. '
            "Left out: guessed from names and values"
        ),
    ] = None
    dry_run: Annotated[Flag, BeforeValidator(read_flag)] = Field(
        default=False, description="Count what would happen, and record nothing"
    )

    def begun(
        self,
        file: StoredFile,
        *,
        key: int,
        channel: int,
        brand: int,
        region: str,
        at: datetime,
        pointer: str = "/occurred_at",
    ) -> Import:
        """Say it as the rules do, of a file that has just arrived; ``pointer``: to its time.

        Raises:
            InTheFuture: it is said to have occurred more than five minutes ahead.
        """
        return Import(
            id=new_id(),
            recorded_at=at,
            # Never later than the recording: what is said after it must lift it.
            occurred_at=min(at, occurred(self.occurred_at, at, pointer=pointer)),
            dated=self.occurred_at is not None,
            key=key,
            channel=channel,
            brand=brand,
            media=self.media,
            reason=self.reason,
            region=self.region or region,
            mapping=self.mapping,
            dry_run=self.dry_run,
            sha256=file.sha256 or b"",
            size=file.size,
            filename=file.name,
        )


class ImportCounts(Answer):
    """What became of the rows so far; the three add up to `done_rows`."""

    recorded: int
    unchanged: int = Field(description="Stood already: not told again")
    refused: int


class LayoutOut(Answer):
    """What the file was read as; `columns` by their names, or their numbers from 1."""

    format: str
    packed: str | None
    encoding: str
    delimiter: str | None
    known: str | None = Field(description="Whose export it is, if that is known")
    columns: dict[str, str]


class ImportVoidOut(Answer):
    """How far the voiding of an import is."""

    voided_at: Instant
    reason: str | None
    state: JobState
    done_grounds: int


class ImportOut(Answer):
    """A file of opt-outs, and how far it is."""

    id: UUID
    state: JobState
    rows: int | None = Field(description="Null until the end of the file was seen")
    done_rows: int
    done_bytes: int = Field(description="Read so far, of `size`; a workbook is read at once")
    counts: ImportCounts
    position: int | None = Field(description="Of the last entry it wrote; null if it wrote none")
    error: str | None
    detail: str | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    channel: Slug
    media: MediaWords | None
    brand: Slug | None
    reason: ReasonWord | None
    region: str
    occurred_at: Instant
    mapping: dict[str, str] | None
    dry_run: bool
    filename: str | None
    size: int
    sha256: str
    layout: LayoutOut | None = Field(description="Null until it was looked at")
    void: ImportVoidOut | None

    @classmethod
    async def of(cls, one: Import, job: Job, void: Job | None, directory: Directory) -> Self:
        """Show an import with its job, and the job of its void."""
        return cls(
            id=one.id,
            state=job.state,
            rows=job.rows,
            done_rows=job.done_rows,
            done_bytes=one.size if job.state == "done" else (job.resume or {}).get("read", 0),
            counts=ImportCounts(
                recorded=job.counts.get("recorded", 0),
                unchanged=job.counts.get("unchanged", 0),
                refused=job.counts.get("refused", 0),
            ),
            position=one.position,
            error=job.error,
            detail=job.detail,
            created_at=job.created_at,
            started_at=job.started_at,
            ended_at=job.ended_at,
            channel=await directory.channel_slug(one.channel),
            media=one.media,
            brand=await brand_slug(directory, one.brand),
            reason=one.reason,
            region=one.region,
            occurred_at=one.occurred_at,
            mapping=None if one.mapping is None else dict(one.mapping),
            dry_run=one.dry_run,
            filename=one.filename,
            size=one.size,
            sha256=one.sha256.hex(),
            layout=None if one.layout is None else LayoutOut.model_validate(one.layout),
            void=None if void is None else _void_out(one, void),
        )


def _void_out(one: Import, void: Job) -> ImportVoidOut:
    return ImportVoidOut(
        voided_at=one.voided_at or void.created_at,
        reason=one.void_reason,
        state=void.state,
        done_grounds=void.done_rows,
    )


class VoidPreviewOut(Answer):
    """What voiding an import would do to suppressions, each a contact point and a brand."""

    grounds: int = Field(description="Grounds of the import that were looked at")
    lifted: int = Field(description="Would be gone: nothing else says so")
    narrowed: int = Field(description="Would hold for fewer media")
    staying: int = Field(description="Would hold as they are: others say so too")
    complete: bool = Field(description="False: only the first grounds were looked at")

    @classmethod
    def of(cls, preview: VoidPreview) -> Self:
        """Show a preview."""
        return cls(
            grounds=preview.grounds,
            lifted=preview.lifted,
            narrowed=preview.narrowed,
            staying=preview.staying,
            complete=preview.complete,
        )
