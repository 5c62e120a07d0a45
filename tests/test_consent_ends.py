"""What ends of a consent's record: its evidence, at its time or by an erasure, and files voided."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app import contacts
from app.contacts import Proof
from tests.acts import Registry
from tests.test_contacts import CONSENT, keep


async def proofs(registry: Registry, point: int) -> list[tuple[Proof, bool]]:
    """Tell what a person's consents prove, and whether the evidence was destroyed."""
    async with registry.database.reading() as session:
        found = await contacts.consents_on(session, registry.keys.vault, point, channel=None)
    return sorted((one.proof, one.destroyed) for one in found)


async def test_two_that_differ_by_their_proof_alone_lose_it_together(registry: Registry) -> None:
    """What tells two consents apart is gone then: they must not stand in each other's way."""
    template = replace(CONSENT, told={"evidence": {"kind": "template", "reference": "form 7"}})
    (one, _) = await keep(registry, CONSENT, template)
    third = datetime(2029, 9, 1, 8, tzinfo=UTC)
    async with registry.database.transaction() as session:
        await contacts.note_copy(session, one.id, key=1, at=third - timedelta(days=9))
        assert await contacts.destroy_old_evidence(session, at=third) > 0
    assert await proofs(registry, one.point) == [(Proof.INCOMPLETE, True)]


async def test_an_erasure_of_two_that_differ_by_their_proof_comes_to_its_end(
    registry: Registry,
) -> None:
    template = replace(CONSENT, told={"evidence": {"kind": "template", "reference": "form 7"}})
    (one, _) = await keep(registry, CONSENT, template)
    await registry.object(CONSENT.identifier)
    number = await registry.erase(CONSENT.identifier)
    assert await registry.destroy(number, waiting=timedelta(0))
    assert await proofs(registry, one.point) == [(Proof.INCOMPLETE, True)]
