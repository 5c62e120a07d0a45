"""The law applied: dated cases, the numbers to compute, the clock, the stories."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.journal import Media
from app.policy import (
    AttemptRecord,
    ContractRecord,
    Facts,
    Hearing,
    Known,
    Places,
    Profile,
    Terms,
    evaluate,
    lasts_until,
    places_of,
    zones_of,
)
from tests.lawful import (
    BRAND,
    FRANCE,
    LAW,
    OBJECT,
    OTHER_BRAND,
    PARIS,
    attempts,
    consent,
    judge,
    local,
    told,
)

CASES = yaml.safe_load((Path(__file__).parent / "policy_vectors.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case {case['number']}")
def test_each_dated_case_is_decided_as_expected(case: dict[str, Any]) -> None:
    noon = datetime.combine(case["at"], datetime.min.time(), UTC) + timedelta(hours=12)
    places = Places((case["country"],), "given", zones_of(case["country"]))
    ruling = evaluate(
        LAW, places, case["medium"], case["audience"], Facts(**case["facts"]), at=noon
    )
    codes = [one.code for one in ruling.reasons]
    assert (ruling.decision, codes) == (case["decision"], [case["reason"]])
    assert ruling.incomplete == (case["country"] not in ("FR", "PT"))


# The numbers


def test_a_consent_to_calls_lasts_until_its_anniversary() -> None:
    until = lasts_until(consent(), days=365, zone="Europe/Paris")
    assert until == local("2027-03-01T10:00")
    assert judge("2027-02-26T19:59:59", Known((consent(),))).decision == "allow"
    # 1 March 2027 is a Monday.
    assert told(judge("2027-03-01T10:00", Known((consent(),))))[:2] == (
        "block",
        ["no_valid_phone_consent"],
    )


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ("2027-03-01T10:00", "2028-02-29T10:00"),  # 365 days, before the anniversary
        ("2028-02-29T10:00", "2029-02-28T10:00"),  # its anniversary does not exist
        ("2026-10-25T02:30", "2027-10-25T02:30"),  # given in the hour that came twice
    ],
)
def test_leap_days_and_clocks_put_back_do_not_lengthen_a_consent(given: str, until: str) -> None:
    assert lasts_until(consent(given), days=365, zone="Europe/Paris") == local(until)


def test_a_wording_that_ends_a_consent_earlier_is_kept() -> None:
    short = consent(expires_at=local("2026-09-30T00:00"))
    assert judge("2026-09-29T19:00", Known((short,))).decision == "allow"
    assert judge("2026-09-30T10:00", Known((short,))).decision == "block"


OCTOBER = attempts(*(f"2026-10-{day:02}T11:00" for day in (20, 10, 5, 1)))


def test_a_fifth_call_within_thirty_days_waits_for_the_first_to_leave_them() -> None:
    known = Known((consent(),), attempts=OCTOBER)
    cap = "frequency_cap_4_in_30_days"
    # On Saturday 31 October three are left; then come a Sunday that is a holiday, and Monday.
    assert told(judge("2026-10-21T11:00", known)) == ("defer", [cap], local("2026-11-02T10:00"))
    assert told(judge("2026-10-30T19:59:59", known))[:2] == ("defer", [cap])
    assert told(judge("2026-10-31T11:00", known))[:2] == ("defer", ["outside_call_hours"])
    assert judge("2026-11-02T10:00", known).decision == "allow"
    assert judge("2026-10-20T11:00", Known((consent(),), attempts=OCTOBER[1:])).decision == "allow"


def test_calls_for_another_company_do_not_count_and_those_for_nobody_known_do() -> None:
    for brand, decision in ((OTHER_BRAND, "allow"), (None, "defer")):
        calls = attempts(*(f"2026-10-{day:02}T11:00" for day in (20, 10, 5, 1)), brand=brand)
        assert judge("2026-10-21T11:00", Known((consent(),), attempts=calls)).decision == decision


@pytest.mark.parametrize(
    ("at", "next_at"),
    [
        ("2026-11-21T11:00", "2026-11-23T10:00"),  # a Saturday
        ("2026-11-11T11:00", "2026-11-12T10:00"),  # a holiday
        ("2026-12-24T20:00", "2026-12-28T10:00"),  # Christmas Day is a Friday
        ("2026-11-20T09:59:59", "2026-11-20T10:00"),
        ("2026-11-20T13:00:00", "2026-11-20T14:00"),
        ("2026-11-20T20:00:00", "2026-11-23T10:00"),
        ("2027-03-26T20:00:00", "2027-03-30T10:00"),  # Easter Monday; clocks go forward on Sunday
    ],
)
def test_a_call_outside_hours_waits_for_the_next(at: str, next_at: str) -> None:
    known = Known((consent("2026-11-01T10:00"),))
    assert told(judge(at, known)) == ("defer", ["outside_call_hours"], local(next_at))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-20T10:00:00", "2026-11-20T13:00"),
        ("2026-11-20T12:59:59", "2026-11-20T13:00"),
        ("2026-11-20T14:00:00", "2026-11-20T20:00"),
        ("2026-11-20T19:59:59.999999", "2026-11-20T20:00"),
    ],
)
def test_a_call_within_hours_is_allowed_until_they_close(at: str, until: str) -> None:
    ruling = judge(at, Known((consent(),)))
    assert (ruling.decision, ruling.valid_until) == ("allow", local(until))


def test_an_allow_ends_with_the_consent_or_the_contract_that_it_rests_on() -> None:
    ends = local("2026-11-20T11:30")
    assert judge("2026-11-20T11:00", Known((consent(expires_at=ends),))).valid_until == ends
    contract = ContractRecord(BRAND, OBJECT, date(2026, 1, 1), date(2026, 11, 21))
    late = judge("2026-11-20T19:00", Known(contracts=(contract,)))
    assert (late.decision, late.valid_until) == ("allow", local("2026-11-20T20:00"))
    post = judge("2026-11-20T19:00", Known(contracts=(contract,)), media=Media.POST)
    assert post.valid_until == local("2026-11-21T00:00")


# Where the person is


@pytest.mark.parametrize(
    ("country", "zone"),
    [("GP", "America/Guadeloupe"), ("RE", "Indian/Reunion"), ("YT", "Indian/Mayotte")],
)
def test_hours_are_those_of_the_person_overseas(country: str, zone: str) -> None:
    known = Known((consent(),))
    for places in (
        places_of(Profile(), number=country, default="FR"),
        places_of(Profile(country=country), number="FR", default="FR"),
        places_of(Profile(country="FR", zone=zone), number=None, default="FR"),
    ):
        there = local("2026-11-20T12:59:59", zone)
        assert judge(there, known, places=places).decision == "allow"
        shut = judge(there + timedelta(seconds=1), known, places=places)
        assert (shut.decision, shut.next_allowed_at) == (
            "defer",
            local("2026-11-20T14:00", zone),
        )


def test_the_opt_in_begins_at_midnight_where_the_person_is() -> None:
    """Before it a call without consent falls under Bloctel, which nobody has checked."""
    guadeloupe = places_of(Profile(), number="GP", default="FR")
    before, since = ["bloctel_not_checked"], ["no_valid_phone_consent"]
    midnight = local("2026-08-11T00:00")
    second = timedelta(seconds=1)
    assert told(judge(midnight - second))[:2] == ("block", before)
    assert told(judge(midnight))[:2] == ("block", since)
    assert told(judge(midnight, places=guadeloupe))[:2] == ("block", before)
    there = local("2026-08-11T00:00", "America/Guadeloupe")
    assert there - midnight == timedelta(hours=6)
    assert told(judge(there - second, places=guadeloupe))[:2] == ("block", before)
    assert told(judge(there, places=guadeloupe))[:2] == ("block", since)


def test_the_answer_names_what_told_the_country() -> None:
    assert judge("2026-11-20T11:00").source == "number"
    for profile, number, source, countries in (
        (Profile(), None, "default", ("FR",)),
        (Profile(country="BE"), None, "profile", ("BE",)),
        (Profile(country="BE"), "FR", "profile", ("BE", "FR")),
    ):
        places = places_of(profile, number=number, default="FR")
        assert (places.source, places.countries) == (source, countries)


def test_of_two_countries_the_stricter_law_wins() -> None:
    """Belgium asks for its list, France for consent: somebody there with a number from here."""
    both = places_of(Profile(country="BE"), number="FR", default="FR")
    ruling = judge("2026-11-21T11:00", Known((consent(),)), places=both)
    assert told(ruling)[:2] == ("block", ["no_legal_basis"])
    assert (ruling.incomplete, ruling.countries) == (True, ("BE", "FR"))
    mail = Known((consent(media=Media.EMAIL),))
    assert judge("2026-11-20T11:00", mail, places=both, media=Media.EMAIL).decision == "allow"
    elsewhere = places_of(Profile(country="PT"), number="FR", default="FR")
    assert told(judge("2026-11-20T11:00", Known((consent(),)), places=elsewhere))[:2] == (
        "block",
        ["unknown_jurisdiction"],
    )


def test_somebody_in_a_country_of_several_zones_is_called_when_all_are_inside_hours() -> None:
    contract = ContractRecord(BRAND, OBJECT, date(2026, 1, 1))
    american = places_of(Profile(), number="US", default="FR")
    early = local("2026-11-20T09:00", "America/New_York")
    ruling = judge(early, Known(contracts=(contract,)), places=american)
    assert ruling.decision == "defer"
    assert ruling.next_allowed_at == local("2026-11-20T08:00", "Pacific/Honolulu")


MOMENTS = st.datetimes(
    datetime(2026, 8, 20),  # noqa: DTZ001 - local to the zone beside it
    datetime(2027, 2, 20),  # noqa: DTZ001 - local to the zone beside it
    timezones=st.just(PARIS),
)


@settings(deadline=None)  # the first to ask loads the calendars
@given(MOMENTS, st.lists(st.integers(0, 60 * 24 * 60), max_size=9))
def test_the_next_time_is_the_first_at_which_it_is_allowed(
    at: datetime, minutes_before: list[int]
) -> None:
    at = at.astimezone(UTC)
    calls = tuple(AttemptRecord(BRAND, at - timedelta(minutes=one)) for one in minutes_before)
    known = Known((consent("2026-08-15T10:00"),), attempts=calls)
    ruling = judge(at, known)
    brief = Hearing(LAW, Terms(brand=BRAND, object=OBJECT), Media.VOICE, at).decide(known, FRANCE)
    assert brief == (ruling.decision, ruling.reasons[0].code, ruling.next_allowed_at)
    if ruling.decision == "defer":
        next_at = ruling.next_allowed_at
        assert next_at is not None
        assert judge(next_at, known).decision == "allow"
        assert judge(next_at - timedelta(microseconds=1), known).decision == "defer"
    else:
        assert ruling.decision == "allow"
        assert ruling.valid_until is not None
        assert judge(ruling.valid_until, known).decision != "allow"
