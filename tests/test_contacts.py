"""What allows or limits a contact, in its room: proofs, withdrawals, what is known of many."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app import contacts
from app.contacts import (
    Audience,
    Mention,
    NewAttempt,
    NewConsent,
    NewContract,
    NewProfile,
    Origin,
    PositiveAct,
    Proof,
    SourceKind,
    UnusableRecord,
    Wording,
)
from app.identifiers import Identifier
from app.intake import renormalise
from app.journal import EVERY_BRAND, Media, Reason
from app.platform.clock import now
from app.policy import AttemptRecord, ConsentRecord, ContractRecord, Known
from app.policy import Profile as KnownProfile
from tests.acts import DAWN, Registry, phone

AT = datetime(2026, 11, 20, 11, tzinfo=UTC)
ALL = Mention(31)
OWN = {"evidence": {"kind": "call_recording", "reference": "rec-1"}}
CONSENT = NewConsent(
    phone(1),
    1,
    "home insurance",
    Media.VOICE,
    datetime(2026, 9, 1, 8, tzinfo=UTC),
    120,
    None,
    Wording(b"\1" * 32, "v1", "May we call you?"),
    ALL,
    PositiveAct.TICKED_BOX,
    SourceKind.FORM,
    told=OWN,
)
ORIGIN = Origin(1, None, AT)


async def keep(registry: Registry, *news: NewConsent) -> list[contacts.Recorded]:
    async with registry.database.transaction() as session:
        done = await contacts.record_consents(session, registry.keys, news, ORIGIN)
    return [one for one in done if isinstance(one, contacts.Recorded)]


async def known(registry: Registry, *people: Identifier, at: datetime = AT) -> Mapping[int, Known]:
    """Find what is known of people, by their place."""
    digests = [registry.keys.digests.digest(one)[1] for one in people]
    async with registry.database.reading() as session:
        found = await contacts.known_to(session, digests, at=at)
    return {place: found[one] for place, one in enumerate(digests) if one in found}


@pytest.mark.parametrize(
    ("said", "proof"),
    [
        ({}, Proof.COMPLETE),
        ({"mentions": ALL & ~Mention.COPY}, Proof.INCOMPLETE),
        ({"mentions": ALL & ~Mention.COPY, "medium": Media.EMAIL}, Proof.COMPLETE),
        ({"mentions": Mention.WHO, "medium": Media.EMAIL}, Proof.INCOMPLETE),
        ({"positive_act": PositiveAct.PRE_TICKED_BOX}, Proof.INCOMPLETE),
        ({"told": {"evidence": {"kind": "template", "reference": "form 7"}}}, Proof.INCOMPLETE),
        ({"told": {"technical": {"ip": "192.0.2.1"}}}, Proof.COMPLETE),
        ({"told": {}}, Proof.INCOMPLETE),
        ({"source": SourceKind.SUPPLIER, "told": {"source": {"lot": "7"}}}, Proof.UNPROVEN),
        ({"source": SourceKind.SUPPLIER}, Proof.COMPLETE),
        (
            {
                "source": SourceKind.SUPPLIER,
                "told": {"evidence": {"kind": "template", "reference": "form 7"}},
            },
            Proof.INCOMPLETE,
        ),
    ],
)
def test_a_consent_proves_what_its_record_holds(said: dict[str, Any], proof: Proof) -> None:
    assert replace(CONSENT, **said).proof is proof


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"given_at": AT + timedelta(minutes=6)}, "in_the_future"),
        ({"expires_at": CONSENT.given_at}, "ends_before_it_starts"),
        ({"slots": ((AT, AT),)}, "ends_before_it_starts"),
    ],
)
def test_a_consent_against_the_calendar_is_refused(said: dict[str, Any], code: str) -> None:
    with pytest.raises(UnusableRecord) as refused:
        contacts.require_sound(replace(CONSENT, **said), at=AT)
    assert refused.value.code == code


async def test_the_same_consent_twice_is_one_and_another_proof_another(registry: Registry) -> None:
    better = replace(CONSENT, told={})
    first, second, third = await keep(registry, CONSENT, CONSENT, better)
    (again,) = await keep(registry, replace(CONSENT, told={"technical": {"ip": "192.0.2.9"}}))
    assert (first.fresh, second.fresh, third.fresh, again.fresh) == (True, False, True, False)
    assert first.id == second.id == again.id != third.id
    (one,) = (await known(registry, phone(1))).values()
    assert [each.complete for each in one.consents] in ([True, False], [False, True])


async def test_a_wording_is_kept_once_sealed_and_may_be_named_by_its_digest(
    registry: Registry,
) -> None:
    await keep(registry, CONSENT, replace(CONSENT, identifier=phone(2)))
    by_digest = replace(CONSENT.wording, text=None)
    assert await keep(registry, replace(CONSENT, identifier=phone(3), wording=by_digest))
    unknown = replace(CONSENT, wording=Wording(b"\2" * 32, "v1"))
    async with registry.database.transaction() as session:
        (refused,) = await contacts.record_consents(session, registry.keys, [unknown], ORIGIN)
        rows = (await session.execute(text("SELECT text FROM consent_wordings"))).scalars().all()
    assert isinstance(refused, UnusableRecord)
    assert refused.code == "unknown_wording"
    assert len(rows) == 1
    assert b"call" not in rows[0]


async def test_what_is_known_of_many_comes_as_it_was_recorded(registry: Registry) -> None:
    slot = (AT, AT + timedelta(hours=1))
    said = replace(CONSENT, slots=(slot,), expires_at=AT + timedelta(days=9))
    await keep(registry, said, replace(CONSENT, identifier=phone(2), object="shoes"))
    async with registry.database.transaction() as session:
        await contacts.record_contracts(
            session,
            registry.keys,
            [NewContract(phone(2), 1, "shoes", date(2026, 1, 1), date(2026, 5, 1), True)],  # noqa: FBT003 - a fact of it
            ORIGIN,
        )
        await contacts.record_attempts(
            session,
            registry.keys,
            [
                NewAttempt(phone(2), Media.VOICE, AT - timedelta(days=2), 1),
                NewAttempt(phone(2), Media.VOICE, AT - timedelta(days=1)),
                NewAttempt(phone(2), Media.VOICE, AT + timedelta(seconds=1), 1),
                NewAttempt(phone(2), Media.VOICE, AT - timedelta(days=93), 1),
                NewAttempt(phone(2), Media.SMS, AT - timedelta(days=1), 1),
            ],
            ORIGIN,
        )
        await contacts.record_profiles(
            session,
            registry.keys,
            [
                NewProfile(
                    phone(3), Audience.PROFESSIONAL, False, "GP", "America/Guadeloupe",  # noqa: FBT003 - as above
                    ("shoes", "laces"), {"kind": "register", "reference": "RCS"},
                )
            ],
            ORIGIN,
        )  # fmt: skip
    found = await known(registry, phone(1), phone(2), phone(3), phone(4))
    assert found == {
        0: Known(
            (
                ConsentRecord(
                    1, "home insurance", Media.VOICE, CONSENT.given_at, said.expires_at,
                    complete=True, slots=(slot,),
                ),
            )
        ),
        1: Known(
            (ConsentRecord(1, "shoes", Media.VOICE, CONSENT.given_at, complete=True),),
            (ContractRecord(1, "shoes", date(2026, 1, 1), date(2026, 5, 1), True),),  # noqa: FBT003
            attempts=(
                AttemptRecord(None, AT - timedelta(days=1)),
                AttemptRecord(1, AT - timedelta(days=2)),
            ),
        ),
        2: Known(
            profile=KnownProfile(
                "professional",
                "GP",
                "America/Guadeloupe",
                "legal_person",
                frozenset({"shoes", "laces"}),
            )
        ),
    }  # fmt: skip


async def withdrawn(registry: Registry, person: Identifier = CONSENT.identifier) -> datetime | None:
    (one,) = (await known(registry, person)).values()
    return one.consents[0].withdrawn_at


async def test_a_withdrawal_by_intake_is_a_fact_of_consents_whichever_comes_first(
    registry: Registry,
) -> None:
    later = CONSENT.given_at + timedelta(days=1)
    reason = Reason.CONSENT_WITHDRAWN
    await registry.object(phone(1), phone(2), at=later, reason=reason, brand=EVERY_BRAND)
    await keep(registry, CONSENT)
    await keep(registry, replace(CONSENT, identifier=phone(2), brand=2))
    assert await withdrawn(registry) == await withdrawn(registry, phone(2)) == later
    # A consent that is given after it is another one, and stands.
    anew = replace(CONSENT, given_at=later + timedelta(seconds=1))
    await keep(registry, anew)
    assert await withdrawn(registry) is None


async def test_of_another_brand_or_medium_nothing_is_withdrawn_nor_by_another_reason(
    registry: Registry,
) -> None:
    await keep(registry, CONSENT)
    reason = Reason.CONSENT_WITHDRAWN
    await registry.object(phone(1), brand=2, reason=reason)
    await registry.object(phone(1), media=Media.SMS, reason=reason)
    await registry.object(phone(1), reason=Reason.OBJECTION)
    assert await withdrawn(registry) is None


async def test_a_voided_withdrawal_never_was_one(registry: Registry) -> None:
    await keep(registry, CONSENT)
    receipt = await registry.object(phone(1), reason=Reason.CONSENT_WITHDRAWN)
    assert await withdrawn(registry) is not None
    await registry.void(receipt.opt_out.id)
    assert await withdrawn(registry) is None


async def test_a_refusal_counts_until_the_person_says_otherwise_and_ends_the_consent_for_good(
    registry: Registry,
) -> None:
    await keep(registry, CONSENT)
    said = CONSENT.given_at + timedelta(days=1)
    await registry.object(phone(1), media=Media.VOICE, at=said, reason=Reason.REFUSAL)
    (one,) = (await known(registry, phone(1))).values()
    assert one.attempts == (AttemptRecord(None, said, refused=True),)
    await registry.reinstate(phone(1))
    (one,) = (await known(registry, phone(1), at=now())).values()
    assert one.attempts == ()
    assert one.consents[0].withdrawn_at == said


async def test_an_erasure_destroys_the_evidence_and_what_rests_on_it(registry: Registry) -> None:
    person, evidence = phone(1), {"kind": "register", "reference": "RCS"}
    (one,) = await keep(registry, CONSENT)
    async with registry.database.transaction() as session:
        keys = registry.keys
        await contacts.record_contracts(
            session,
            keys,
            [NewContract(person, 1, "shoes", date(2026, 1, 1), None, reference="C-17")],
            ORIGIN,
        )
        new = NewProfile(person, Audience.PROFESSIONAL, None, "FR", None, ("shoes",), evidence)
        for one_more in (new, replace(new, sole_trader=True)):
            await contacts.record_profiles(session, keys, [one_more], ORIGIN)
    await registry.object(person)
    assert await registry.destroy(await registry.erase(person), waiting=timedelta(0))
    async with registry.database.reading() as session:
        consent = await contacts.find_consent(session, keys.vault, one.id, channel=None)
        assert (consent.proof, consent.destroyed) == (Proof.INCOMPLETE, True)
        assert dict(consent.told) == {}
        (contract,) = await contacts.contracts_on(session, keys.vault, one.point, channel=None)
        assert contract.reference is None
        rest = await session.execute(
            text("""
                SELECT evidence, audience, fits FROM contact_profiles
                UNION ALL SELECT evidence, audience, fits FROM contact_profile_versions
            """)
        )
        assert [tuple(row) for row in rest] == [(None, Audience.UNKNOWN, [])] * 2
    (left,) = (await known(registry, person)).values()
    assert left.profile == KnownProfile(country="FR", subscriber="natural_person")
    assert not left.consents[0].complete


async def test_evidence_is_destroyed_three_years_after_the_collection_and_no_day_earlier(
    registry: Registry,
) -> None:
    old = replace(CONSENT, given_at=DAWN, identifier=phone(2))
    await keep(registry, CONSENT, old)
    third = datetime(2029, 3, 1, tzinfo=UTC)
    for at, gone in ((third - timedelta(days=1), 0), (third, 1), (third, 0)):
        async with registry.database.transaction() as session:
            assert await contacts.destroy_old_evidence(session, at=at) == gone
    found = await known(registry, phone(1), phone(2))
    assert [found[place].consents[0].complete for place in (0, 1)] == [True, False]


async def test_old_attempts_are_deleted_and_the_others_left(registry: Registry) -> None:
    people: list[NewAttempt] = [
        NewAttempt(phone(number), Media.VOICE, AT - timedelta(days=number)) for number in range(5)
    ]
    async with registry.database.transaction() as session:
        assert await contacts.record_attempts(session, registry.keys, people, ORIGIN) == [True] * 5
        again = await contacts.record_attempts(session, registry.keys, people[:2], ORIGIN)
        assert again == [False] * 2
        before = AT - timedelta(days=2, seconds=1)
        assert await contacts.forget_old_attempts(session, before=before) == 2
        assert await session.scalar(text("SELECT count(*) FROM contact_attempts")) == 3


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (AT - timedelta(days=366), "too_old"),
        (AT + timedelta(minutes=6), "in_the_future"),
    ],
)
def test_an_attempt_of_another_year_or_of_tomorrow_is_refused(at: datetime, code: str) -> None:
    with pytest.raises(UnusableRecord) as refused:
        contacts.require_attempt(
            NewAttempt(phone(1), Media.VOICE, at), at=AT, kept=timedelta(days=92)
        )
    assert refused.value.code == code


async def test_merged_contact_points_bring_their_records_along_but_none_twice(
    registry: Registry,
) -> None:
    keys = registry.keys
    a, b = await keep(registry, CONSENT, replace(CONSENT, identifier=phone(2)))
    await keep(registry, replace(CONSENT, identifier=phone(2), object="shoes"))
    await registry.object(phone(2), reason=Reason.REFUSAL, media=Media.VOICE)
    async with registry.database.transaction() as session:
        await contacts.merge_contacts(session, {b.point: a.point})
        left = await contacts.consents_on(session, keys.vault, b.point, channel=None)
        moved = await contacts.consents_on(session, keys.vault, a.point, channel=None)
    assert (len(left), len(moved)) == (1, 2)
    (one,) = (await known(registry, phone(1), at=now())).values()
    assert [attempt.refused for attempt in one.attempts] == [True]


async def test_newer_phone_tables_bring_the_records_of_a_number_to_its_new_form(
    registry: Registry,
) -> None:
    await keep(registry, CONSENT)

    def read(normals: Sequence[str]) -> list[str]:
        return [phone(2).value if normal == phone(1).value else normal for normal in normals]

    keys = replace(registry.keys, tables="99.0.0+1")
    assert (await renormalise(registry.database, keys, read=read)).merged == 1
    (one,) = (await known(registry, phone(2))).values()
    assert [each.complete for each in one.consents] == [True]
    assert await known(registry, phone(1)) == {}
