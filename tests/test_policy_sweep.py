"""All packs over all facts: what no combination may come to."""

import random
from collections.abc import Iterator
from datetime import date

import pytest

from app.policy import Audience, Chapter, Law, Medium, OwnPack, the_law
from tests.policy_space import Judged

LAW = the_law()
MEDIA: tuple[Medium, ...] = ("voice_live", "voice_auto", "sms", "email", "post")
AUDIENCES: tuple[Audience, ...] = ("consumer", "professional")
ONE_OF_EACH = ("FR", "GB", "US", "BE", "IT", "DE", "ES", "NL")
"""The other countries share the pack of one of these."""
OPT_IN = date(2026, 8, 11)
SAMPLES = 80


def chapters(country: str, law: Law = LAW) -> Iterator[Chapter]:
    """Go through all that was ever in force in a country."""
    chapter = law.chapter(country, date.min)
    while chapter is not None:
        yield chapter
        chapter = None if chapter.ends is None else law.chapter(country, chapter.ends)


@pytest.fixture(scope="module")
def judged() -> dict[tuple[str, date, Medium, Audience], tuple[Chapter, Judged]]:
    """Judge every combination of the facts that the rules name, for each pack and time."""
    return {
        (country, chapter.starts, medium, audience): (chapter, Judged(chapter, medium, audience))
        for country in ONE_OF_EACH
        for chapter in chapters(country)
        for medium in MEDIA
        for audience in AUDIENCES
    }


Swept = dict[tuple[str, date, Medium, Audience], tuple[Chapter, Judged]]


def test_the_countries_of_a_pack_are_judged_alike() -> None:
    for country in LAW.countries:
        like = next(one for one in ONE_OF_EACH if LAW.packs_of(one) == LAW.packs_of(country))
        assert list(chapters(country))[-1].labels == list(chapters(like))[-1].labels


def test_an_objection_to_the_medium_or_to_all_always_blocks(judged: Swept) -> None:
    for where, (_, found) in judged.items():
        objected = found.space.having("objection", ["this_medium", "all_media"])
        assert objected & ~found.block == 0, where


def test_a_withdrawal_blocks_voice_sms_and_email_in_europe(judged: Swept) -> None:
    gdpr = date(2018, 5, 25)
    swept = 0
    for (country, starts, medium, audience), (_, found) in judged.items():
        if country != "US" and starts >= gdpr and medium != "post":
            withdrawn = found.space.having("consent", ["withdrawn"])
            assert withdrawn & ~found.block == 0, (country, starts, medium, audience)
            swept += found.space.size
    assert swept > 1_000_000


def test_a_refusal_blocks_a_consumers_calls_in_france_since_the_opt_in(judged: Swept) -> None:
    for (country, starts, medium, audience), (_, found) in judged.items():
        refused = found.space.having("refusal", ["within_60d", "older"])
        if (
            country == "FR"
            and starts >= OPT_IN
            and medium in ("voice_live", "voice_auto")
            and audience == "consumer"
        ):
            assert refused & ~found.block == 0
            assert refused


def test_nothing_is_allowed_or_deferred_without_a_permit(judged: Swept) -> None:
    for where, (_, found) in judged.items():
        assert (found.allow | found.defer) & ~found.permitted == 0, where


def test_no_consumer_in_france_is_called_outside_hours_or_over_the_cap(judged: Swept) -> None:
    for (country, starts, medium, audience), (_, found) in judged.items():
        having = found.space.having
        if country == "FR" and starts >= OPT_IN and (medium, audience) == MEDIA_AND_AUDIENCE:
            outside = having("call_window", ["outside"]) & having("agreed_slot", [False])
            assert (outside | having("attempts_30d", ["four_or_more"])) & found.allow == 0
            assert found.allow


MEDIA_AND_AUDIENCE = ("voice_live", "consumer")


def test_adding_an_objection_never_makes_it_milder(judged: Swept) -> None:
    order = ("allow", "defer", "review", "block")
    for where, (_, found) in judged.items():
        for value in ("this_medium", "all_media", "other_medium"):
            for at, strict in enumerate(order):
                stricter = found.space.shifted(getattr(found, strict), "objection", value)
                for mild in order[:at]:
                    assert stricter & getattr(found, mild) == 0, (where, value, strict, mild)


def test_the_engine_decides_as_the_packs_say(judged: Swept) -> None:
    chance = random.Random(8)  # noqa: S311 - a sample, the same each time
    checked = 0
    for (country, starts, medium, audience), (chapter, found) in judged.items():
        size = found.space.size
        few = size <= SAMPLES * 4
        for number in range(size) if few else chance.sample(range(size), SAMPLES):
            facts = found.space.facts_at(number)
            answer = chapter.match(medium, audience, facts)
            assert answer.decision == found.decision(number), (country, starts, medium, facts)
            assert answer.reasons
            checked += 1
    assert checked > 10_000


def test_whoever_is_unknown_is_judged_as_a_consumer(judged: Swept) -> None:
    chance = random.Random(9)  # noqa: S311 - a sample, the same each time
    for (_, _, medium, audience), (chapter, found) in judged.items():
        if audience == "consumer":
            facts = found.space.facts_at(chance.randrange(found.space.size))
            assert chapter.match(medium, "unknown", facts) == chapter.match(
                medium, "consumer", facts
            )


OWN = """
pack: own
version: 2026-11-01
title: {fr: La maison, en: The house}
role: operator
countries: [FR]
rules:
- {id: OWN-1, kind: prohibit, from: 2020-01-01, media: [voice_live, sms],
   when: {sector: [insurance, press]}, reason: not_our_business, basis: [board], confidence: high,
   says: {fr: Pas notre métier., en: Not our business.}}
- {id: OWN-2, kind: constrain, from: 2020-01-01, media: [voice_live],
   when: {refusal: within_60d}, reason: wait, basis: [board], confidence: high,
   says: {fr: Attendre., en: Wait.}}
"""


def test_an_operators_own_pack_only_makes_it_stricter() -> None:
    strictness = ("allow", "defer", "review", "block").index
    tightened = the_law(OwnPack("own.yaml", OWN))
    changed = 0
    for with_own in chapters("FR", tightened):
        without = LAW.chapter("FR", with_own.starts)
        assert without is not None
        for medium in MEDIA:
            space = Judged(with_own, medium, "consumer").space
            chance = random.Random(10)  # noqa: S311 - a sample, the same each time
            for number in chance.sample(range(space.size), min(space.size, 100)):
                facts = space.facts_at(number)
                then = without.match(medium, "consumer", facts).decision
                now = with_own.match(medium, "consumer", facts).decision
                assert strictness(now) >= strictness(then)
                changed += now != then
    assert changed
