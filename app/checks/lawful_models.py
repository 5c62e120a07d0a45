"""What is answered where the law was looked at, over the wire."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field
from pydantic_core import to_json

from app.identifiers import Identifier, mask
from app.journal import Kind
from app.platform.wire import Answer, Instant, wire_time
from app.policy import Confidence, Decision, Obligation, Reason, Ruling, Source, Told

from .models import MaskedOut


class SentenceOut(Answer):
    """A sentence in plain words."""

    fr: str
    en: str


class LegalReasonOut(Answer):
    """A rule that decided."""

    code: str
    rule: str | None = Field(description="Its number in its pack")
    pack: str | None
    basis: list[str]
    confidence: Confidence = Field(description="How sure it is that the rule is the law")
    says: SentenceOut


class ObligationOut(Answer):
    """What the contact must do."""

    code: str
    basis: list[str]
    says: SentenceOut


class RulingOut(Answer):
    """What the law answers."""

    decision: Decision
    reasons: list[LegalReasonOut]
    evaluated: list[Literal["suppressions", "law"]] = Field(description="What was looked at")
    next_allowed_at: Instant | None = Field(
        description="When a `defer` may become an `allow` if nothing else changes"
    )
    obligations: list[ObligationOut] = Field(description="What a contact that is allowed must do")
    countries: list[str] = Field(description="Whose law was asked; of two the stricter counts")
    country_from: Source = Field(description="What told the first of them")
    packs: list[str] = Field(description="The packs that were asked, each with its version")
    incomplete: bool = Field(description="A pack does not hold the whole law of its country")
    checked_at: Instant = Field(description="The moment that was judged")
    valid_until: Instant | None = Field(
        description="Until when an `allow` may be acted on without asking again"
    )


class LawfulCheckOut(RulingOut):
    """The answer of a check that has asked the law too: nobody is contacted without an `allow`."""

    identifier: MaskedOut = Field(description="The contact point that decided")
    position: int = Field(description="Journal position that this answer is sure to have seen")


# There are as many as there are rules, and each is told a thousand times a second.
@lru_cache(maxsize=1024)
def _reason_out(reason: Reason) -> LegalReasonOut:
    return LegalReasonOut(
        code=reason.code,
        rule=reason.rule,
        pack=reason.pack,
        basis=list(reason.basis),
        confidence=reason.confidence,
        says=SentenceOut(fr=reason.french, en=reason.english),
    )


@lru_cache(maxsize=1024)
def _obligation_out(duty: Obligation) -> ObligationOut:
    return ObligationOut(
        code=duty.code,
        basis=list(duty.basis),
        says=SentenceOut(fr=duty.french, en=duty.english),
    )


def ruling_fields(ruling: Ruling, at: datetime, until: datetime | None) -> dict[str, Any]:
    """Give the fields of ``RulingOut``; an allow may be acted on until it ends, or ``until``."""
    return {
        "decision": ruling.decision,
        "reasons": [_reason_out(one) for one in ruling.reasons],
        "next_allowed_at": ruling.next_allowed_at,
        "obligations": [_obligation_out(one) for one in ruling.obligations],
        "countries": list(ruling.countries),
        "country_from": ruling.source,
        "packs": list(ruling.packs),
        "incomplete": ruling.incomplete,
        "checked_at": at,
        "valid_until": _acted_on_until(ruling, until),
    }


def _acted_on_until(ruling: Ruling, until: datetime | None) -> datetime | None:
    if ruling.decision != "allow" or until is None:
        return None
    return until if ruling.valid_until is None else min(until, ruling.valid_until)


_VARIES_FROM = ',"checked_at":'
"""Where an answer begins to differ between those who are told one ruling; no text holds it, for
in JSON its quotes would be escaped."""


def written_ruling(ruling: Ruling) -> str:
    """Write the part of an answer that is the same for all who are told one ruling."""
    some = LawfulCheckOut(
        **ruling_fields(ruling, _SOME_TIME, None),
        evaluated=["suppressions", "law"],
        identifier=MaskedOut(kind=Kind.PHONE, masked=""),
        position=0,
    )
    return some.model_dump_json().partition(_VARIES_FROM)[0]


_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def written_answer(
    told: Told[str], *, at: datetime, until: datetime | None, decisive: Identifier, position: int
) -> str:
    """Write a ``LawfulCheckOut`` as its model would: the rest behind what ``written_ruling`` wrote.

    The parts are written by hand because to build and describe a model costs as much as to judge.
    """
    ends = _acted_on_until(told.ruling, until)
    valid_until = "null" if ends is None else f'"{wire_time(ends)}"'
    masked = to_json(mask(decisive)).decode()
    return (
        f'{told.written}{_VARIES_FROM}"{wire_time(at)}","valid_until":{valid_until},'
        f'"identifier":{{"kind":"{decisive.kind.word}","masked":{masked}}},"position":{position}}}'
    )
