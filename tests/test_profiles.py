"""Who somebody was known to be, and when: former profiles are kept, for a time."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app import contacts
from app.contacts import Audience, NewProfile, Origin
from tests.acts import Registry, phone

AT = datetime(2026, 11, 20, 11, tzinfo=UTC)


async def profiled(registry: Registry, at: datetime, *news: NewProfile) -> list[bool]:
    async with registry.database.transaction() as session:
        return await contacts.record_profiles(session, registry.keys, news, Origin(1, None, at))


def profile(number: int, country: str, *fits: str, reference: str = "RCS 1") -> NewProfile:
    evidence = {"kind": "register", "reference": reference}
    return NewProfile(phone(number), Audience.PROFESSIONAL, None, country, None, fits, evidence)


async def countries(registry: Registry, at: datetime, *, past: bool) -> list[str | None]:
    """Tell where two people live, or lived."""
    digests = [registry.keys.digests.digest(phone(number))[1] for number in (1, 2)]
    async with registry.database.reading() as session:
        found = await contacts.known_to(session, digests, at=at, past=past)
    return [found[one].profile.country if one in found else None for one in digests]


async def test_a_past_moment_knows_somebody_as_they_were_known_then(registry: Registry) -> None:
    days = [AT + timedelta(days=days) for days in (0, 10, 20)]
    assert await profiled(registry, days[0], profile(1, "FR"), profile(2, "GP")) == [True, True]
    assert await profiled(registry, days[1], profile(1, "RE"), profile(2, "GP")) == [True, False]
    assert await profiled(registry, days[2], profile(1, "BE"), profile(1, "YT")) == [True, True]
    for at, lived in (
        (days[0] - timedelta(seconds=1), [None, None]),
        (days[0], ["FR", "GP"]),
        (days[1] - timedelta(microseconds=1), ["FR", "GP"]),
        (days[1], ["RE", "GP"]),
        (days[2] - timedelta(microseconds=1), ["RE", "GP"]),
        (days[2], ["YT", "GP"]),
    ):
        assert await countries(registry, at, past=True) == lived, at
        # Whoever asks about now is told what stands now, whatever the clocks say.
        assert await countries(registry, at, past=False) == ["YT", "GP"]


async def test_professionals_without_objects_are_read_together(registry: Registry) -> None:
    await profiled(registry, AT, profile(1, "FR"), profile(2, "GP"), profile(3, "FR", "shoes"))
    assert await countries(registry, AT, past=False) == ["FR", "GP"]


async def test_two_profiles_follow_one_another_even_if_the_clock_does_not(
    registry: Registry,
) -> None:
    for country, at in (("FR", AT), ("RE", AT), ("YT", AT - timedelta(seconds=5))):
        await profiled(registry, at, profile(1, country))
    step = timedelta(microseconds=1)
    found = [(await countries(registry, AT + step * n, past=True))[0] for n in range(3)]
    assert found == ["FR", "RE", "YT"]


async def test_former_profiles_are_kept_for_three_years_and_no_more_than_fifty(
    registry: Registry,
) -> None:
    for number in range(contacts.MOST_VERSIONS + 2):
        at = AT + timedelta(minutes=number)
        await profiled(registry, at, profile(1, "FR", reference=f"RCS {number}"))
    count = text("SELECT count(*) FROM contact_profile_versions")
    third = AT.replace(year=AT.year + 3)
    async with registry.database.transaction() as session:
        assert await session.scalar(count) == contacts.MOST_VERSIONS
        # The first is gone; the second ceased to stand two minutes after the beginning.
        for minutes, gone in ((1, 0), (2, 1), (2, 0)):
            at = third + timedelta(minutes=minutes)
            assert await contacts.forget_old_profiles(session, at=at) == gone
        assert await session.scalar(count) == contacts.MOST_VERSIONS - 1
    assert (await countries(registry, AT, past=True))[0] is None
