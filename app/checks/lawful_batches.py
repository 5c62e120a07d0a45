"""Many people at once, of whom the law is asked: those on whom no ground stands."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring
from typing import Literal, NamedTuple

from fastapi import Response
from pydantic import Field

from app.identifiers import region_of_phone
from app.journal import Kind, Media
from app.platform.wire import Answer, Instant, wire_time
from app.policy import (
    NO_PROFILE,
    NOTHING_KNOWN,
    Brief,
    Decision,
    Hearing,
    Known,
    Places,
    Terms,
    places_of,
)

from .batch_models import Asked
from .batches import ALLOW, UNUSABLE, Decided
from .counsel import Counsel, together

_AT_ONCE = 250
"""Lines that are judged before others have their turn: some milliseconds."""


class LawfulLine(NamedTuple):
    """The answer about one of many; ``since`` is when the oldest standing ground occurred."""

    decision: Decision
    code: str | None
    since: datetime | None
    next_allowed_at: datetime | None


class LawfulResultOut(Answer):
    """The answer to one line."""

    ref: str | None
    decision: Decision
    code: str | None = Field(description="`opted_out`, `unusable`, or the rule's; null: allowed")
    since: Instant | None
    next_allowed_at: Instant | None


class LawfulBatchCountsOut(Answer):
    """How many lines were answered how; they add up to the lines."""

    allow: int
    block: int
    unusable: int
    defer: int
    review: int


class LawfulBatchOut(Answer):
    """The answers, in the order of the lines, where the law was asked too."""

    position: int
    checked_at: Instant
    evaluated: list[Literal["suppressions", "law"]]
    results: list[LawfulResultOut]
    counts: LawfulBatchCountsOut


class Judge:
    """Judges many people for one campaign and moment; who are alike are judged once."""

    def __init__(self, hearing: Hearing, *, default_region: str) -> None:
        """Take the hearing, and the country of whom nothing else tells."""
        self._hearing = hearing
        self._default = default_region
        self._strangers: dict[str | None, Brief] = {}
        self._places: dict[str | None, Places] = {}

    def stranger(self, region: str | None) -> Brief:
        """Judge somebody of whom nothing is on record; ``region`` is the number's, if any."""
        brief = self._strangers.get(region)
        if brief is None:
            brief = self._strangers[region] = self.judge(NOTHING_KNOWN, region)
        return brief

    def judge(self, known: Known, region: str | None) -> Brief:
        """Judge somebody by what is on record."""
        if known.profile is not NO_PROFILE:
            places = places_of(known.profile, number=region, default=self._default)
            return self._hearing.decide(known, places)
        usual = self._places.get(region)
        if usual is None:
            usual = places_of(NO_PROFILE, number=region, default=self._default)
            self._places[region] = usual
        return self._hearing.decide(known, usual)


async def judge_many(
    counsel: Counsel,
    decided: Decided,
    normals: Sequence[tuple[Kind, str | None]],
    digests: Sequence[Sequence[bytes | None]],
    *,
    terms: Terms,
    medium: Media,
    at: datetime,
) -> list[LawfulLine]:
    """Ask the law about the lines that are allowed; the others stay as they were decided.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    hearing = Hearing(await counsel.law(), terms, medium, at)
    judge = Judge(hearing, default_region=counsel.default_region)
    places = [place for place, line in enumerate(decided.lines) if line is ALLOW]
    wanted = {
        digest
        for under_key in digests
        for place in places
        if (digest := under_key[place]) is not None
    }
    found = await counsel.known_at(wanted, at)
    on_record = _on_record(found, digests, places)
    written: dict[Brief, LawfulLine] = {}
    lines = [_AS_ALLOWED if line is ALLOW else LawfulLine(*line, None) for line in decided.lines]
    for first in range(0, len(places), _AT_ONCE):
        for place in places[first : first + _AT_ONCE]:
            kind, normal = normals[place]
            region = region_of_phone(normal) if kind is Kind.PHONE and normal else None
            known = on_record.get(place)
            brief = judge.stranger(region) if known is None else judge.judge(known, region)
            line = written.get(brief)
            if line is None:
                line = written[brief] = line_of(brief)
            lines[place] = line
        await asyncio.sleep(0)
    return lines


_AS_ALLOWED = LawfulLine("allow", None, None, None)


def _on_record(
    found: Mapping[bytes, Known],
    digests: Sequence[Sequence[bytes | None]],
    places: Sequence[int],
) -> dict[int, Known]:
    """Put what was found under each live key beside the line that it is about."""
    current, *others = digests
    on_record = {
        place: found[digest]
        for place in places
        if (digest := current[place]) is not None and digest in found
    }
    for under_key in others:
        for place in places:
            digest = under_key[place]
            if digest is not None and digest in found:
                before = [on_record[place]] if place in on_record else []
                on_record[place] = together([*before, found[digest]])
    return on_record


def line_of(brief: Brief) -> LawfulLine:
    """Write what the law answers as a line."""
    code = None if brief.decision == "allow" else brief.code
    return LawfulLine(brief.decision, code, None, brief.next_allowed_at)


def render_lawful(
    asked: Sequence[Asked], lines: Sequence[LawfulLine], *, position: int, at: datetime
) -> Response:
    """Write the answer as ``LawfulBatchOut`` describes it."""
    written: dict[LawfulLine, str] = {}
    counts = dict.fromkeys(LawfulBatchCountsOut.model_fields, 0)
    results = []
    for (ref, _, _), line in zip(asked, lines, strict=True):
        ending = written.get(line)
        if ending is None:
            ending = written[line] = _written(line)
        counts["unusable" if line.code == UNUSABLE.code else line.decision] += 1
        name = "null" if ref is None else encode_basestring(ref)
        results.append(f'{{"ref":{name},{ending}}}')
    answer = (
        f'{{"position":{position},"checked_at":"{wire_time(at)}",'
        f'"evaluated":["suppressions","law"],"results":[{",".join(results)}],'
        f'"counts":{LawfulBatchCountsOut(**counts).model_dump_json()}}}'
    )
    return Response(answer, media_type="application/json")


def _written(line: LawfulLine) -> str:
    code = f'"{line.code}"' if line.code else "null"
    since, next_at = (
        "null" if one is None else f'"{wire_time(one)}"'
        for one in (line.since, line.next_allowed_at)
    )
    return f'"decision":"{line.decision}","code":{code},"since":{since},"next_allowed_at":{next_at}'
