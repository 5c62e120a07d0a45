"""What is on record, made into facts: which consent counts, which contract, which refusal."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.journal import Media
from app.policy import (
    NOTHING_KNOWN,
    AttemptRecord,
    ConsentRecord,
    ContractRecord,
    Hearing,
    Known,
    Profile,
    RequestRecord,
    Sitting,
    Terms,
    medium_of,
    object_key,
    places_of,
)
from tests.lawful import (
    BRAND,
    FRANCE,
    LAW,
    OBJECT,
    OTHER_BRAND,
    attempts,
    consent,
    judge,
    local,
    told,
)


@pytest.mark.parametrize(
    ("known", "decision", "reason"),
    [
        pytest.param((consent(brand=OTHER_BRAND),), "block", "no_valid_phone_consent", id="other"),
        pytest.param((consent(object="x"),), "block", "no_valid_phone_consent", id="object"),
        pytest.param((consent(media=Media.SMS),), "block", "no_valid_phone_consent", id="medium"),
        pytest.param((consent(complete=False),), "block", "no_valid_phone_consent", id="proof"),
        pytest.param(
            (consent(unproven=True),), "block", "no_individual_proof_of_consent", id="unproven"
        ),
        pytest.param(
            (consent(withdrawn_at=local("2026-11-01T09:00")),),
            "block",
            "consent_withdrawn",
            id="withdrawn",
        ),
        pytest.param(
            (consent("2026-12-01T10:00"),), "block", "no_valid_phone_consent", id="not yet"
        ),
        pytest.param(
            (
                consent(withdrawn_at=local("2026-11-01T09:00")),
                consent("2026-11-02T10:00"),
            ),
            "allow",
            "consent_r223_1",
            id="given anew",
        ),
        pytest.param(
            (
                consent(withdrawn_at=local("2026-11-03T09:00")),
                consent("2026-11-02T10:00"),
            ),
            "block",
            "consent_withdrawn",
            id="withdrawn after all",
        ),
        pytest.param(
            (consent(complete=False), consent(brand=OTHER_BRAND), consent()),
            "allow",
            "consent_r223_1",
            id="one serves",
        ),
    ],
)
def test_a_consent_serves_one_company_object_and_medium_with_its_proof(
    known: tuple[ConsentRecord, ...], decision: str, reason: str
) -> None:
    assert told(judge("2026-11-20T11:00", Known(known)))[:2] == (decision, [reason])


def test_a_campaign_that_names_no_company_or_object_has_no_consent() -> None:
    for terms in (Terms(object=OBJECT), Terms(brand=BRAND)):
        assert judge("2026-11-20T11:00", Known((consent(),)), terms=terms).decision == "block"


def test_a_running_contract_permits_an_offer_about_it_and_no_other() -> None:
    def known(*, to_on: date | None = None) -> Known:
        return Known(contracts=(ContractRecord(BRAND, OBJECT, date(2026, 1, 1), to_on),))

    assert told(judge("2026-11-20T11:00", known()))[1] == ["ongoing_contract_related_offer"]
    other = Terms(brand=BRAND, object="solar panels")
    assert judge("2026-11-20T11:00", known(), terms=other).decision == "block"
    assert judge("2026-11-20T11:00", known(to_on=date(2026, 11, 21))).decision == "allow"
    assert judge("2026-11-20T11:00", known(to_on=date(2026, 11, 20))).decision == "block"


def test_a_professional_is_called_about_what_fits_the_job() -> None:
    profile = Profile("professional", subscriber="natural_person", fits=frozenset({OBJECT}))
    assert told(judge("2026-11-21T11:00", Known(profile=profile)))[:2] == (
        "allow",
        ["b2b_legitimate_interest"],
    )
    other = Terms(brand=BRAND, object="holidays")
    assert told(judge("2026-11-20T11:00", Known(profile=profile), terms=other))[:2] == (
        "block",
        ["no_legal_basis"],
    )
    machine = Terms(brand=BRAND, object=OBJECT, automated=True)
    assert told(judge("2026-11-20T11:00", Known(profile=profile), terms=machine))[:2] == (
        "review",
        ["sole_trader_is_natural_person"],
    )


def test_a_refusal_blocks_without_an_end_since_the_opt_in() -> None:
    refused = attempts("2024-01-15T11:00", refused=True)
    known = Known((consent(),), attempts=refused)
    assert told(judge("2026-11-20T11:00", known))[:2] == ("block", ["refusal_is_withdrawal"])


def test_an_agreed_time_counts_if_the_consent_holds_it() -> None:
    saturday = (local("2026-11-21T18:00"), local("2026-11-21T19:00"))
    known = Known((consent(slots=(saturday,)),))
    ruling = judge("2026-11-21T18:30", known)
    assert (ruling.decision, ruling.valid_until) == ("allow", saturday[1])
    assert judge("2026-11-21T19:00", known).decision == "defer"
    other = Terms(brand=BRAND, object=OBJECT, slot=local("2026-11-22T18:30"))
    assert judge("2026-11-21T18:30", known, terms=other).decision == "defer"


def test_a_request_to_be_called_back_is_fresh_for_five_working_days() -> None:
    """Asked on Friday 6 November; Wednesday the 11th is a holiday."""
    known = Known(requests=(RequestRecord(BRAND, OBJECT, local("2026-11-06T17:00")),))
    terms = Terms(brand=BRAND, object=OBJECT, sector="energy_renovation")
    assert judge("2026-11-16T11:00", known, terms=terms).decision == "review"
    assert told(judge("2026-11-17T11:00", known, terms=terms))[:2] == (
        "block",
        ["sector_ban_energy"],
    )


def test_a_machine_shows_a_verified_number() -> None:
    known = Known((consent(),))
    for caller_id, decision in (("+33162000000", "allow"), ("+33199000000", "block")):
        terms = Terms(brand=BRAND, object=OBJECT, automated=True, caller_id=caller_id)
        assert judge("2026-11-20T11:00", known, terms=terms).decision == decision


def test_messaging_is_judged_as_sms() -> None:
    assert medium_of(Media.MESSAGING, automated=True) == medium_of(Media.SMS, automated=False)
    night = judge(
        "2026-11-20T22:00", Known((consent(media=Media.MESSAGING),)), media=Media.MESSAGING
    )
    assert told(night) == ("defer", ["operator_sms_hours"], local("2026-11-21T08:00"))


def test_an_object_is_the_same_however_it_is_written() -> None:
    assert object_key("  Heat\tPumps ") == OBJECT


def test_what_waits_for_a_time_at_which_it_would_be_blocked_is_told_no_time() -> None:
    """A refusal of 10 July 2026 is sixty days old when only consent permits a call."""
    contract = ContractRecord(BRAND, OBJECT, date(2026, 1, 1))
    calls = attempts("2026-07-10T11:00", refused=True)
    ruling = judge("2026-08-10T11:00", Known(contracts=(contract,), attempts=calls))
    assert told(ruling) == ("defer", ["refused_less_than_60_days_ago"], None)


AT = local("2026-11-20T11:00")
AGES = st.integers(0, 400).map(lambda days: AT - timedelta(days=days))
CONSENTS = st.builds(
    ConsentRecord,
    st.sampled_from((BRAND, OTHER_BRAND)),
    st.sampled_from((OBJECT, "x")),
    st.sampled_from((Media.VOICE, Media.SMS)),
    AGES,
    st.none() | AGES.map(lambda at: at + timedelta(days=200)),
    st.none() | AGES,
    st.booleans(),
    st.booleans(),
    st.just(()),
)
CALLS = st.builds(
    AttemptRecord,
    st.sampled_from((BRAND, OTHER_BRAND, None)),
    st.integers(0, 40).map(lambda days: AT - timedelta(days=days)),
    st.sampled_from((False, False, False, True)),
)
CONTRACTS = st.builds(
    ContractRecord,
    st.just(BRAND),
    st.sampled_from((OBJECT, "x")),
    st.dates(date(2026, 7, 1), date(2026, 11, 25)),
    st.none() | st.just(date(2026, 11, 26)),
    st.booleans(),
)
PEOPLE = st.builds(
    Known,
    st.lists(CONSENTS, max_size=3).map(tuple),
    st.lists(CONTRACTS, max_size=1).map(tuple),
    st.just(()),
    st.lists(CALLS, max_size=6).map(tuple),
    st.sampled_from((Profile(), Profile("professional", fits=frozenset({OBJECT})))),
)


@settings(deadline=None)  # the first to ask loads the calendars
@given(st.lists(PEOPLE, min_size=2, max_size=12), st.sampled_from((0, 24 * 60, 9 * 60)))
def test_people_who_are_taken_for_alike_are_judged_alike(people: list[Known], later: int) -> None:
    """Friday, Saturday and Friday evening: allowed, and waiting."""
    at = AT + timedelta(minutes=later)
    terms = Terms(brand=BRAND, object=OBJECT)
    together = Hearing(LAW, terms, Media.VOICE, at)
    for one in people:
        alone = Hearing(LAW, terms, Media.VOICE, at).judge(one, FRANCE)
        brief = (alone.decision, alone.reasons[0].code, alone.next_allowed_at)
        assert together.decide(one, FRANCE) == brief


def test_one_call_more_makes_two_people_different() -> None:
    hearing = Hearing(LAW, Terms(brand=BRAND, object=OBJECT), Media.VOICE, AT)
    days = [AT - timedelta(days=day) for day in (1, 2, 3, 4)]
    for calls, decision in ((3, "allow"), (4, "defer"), (2, "allow")):
        attempts = tuple(AttemptRecord(BRAND, at) for at in days[:calls])
        assert hearing.decide(Known((consent(),), attempts=attempts), FRANCE).decision == decision
    ends = [consent(expires_at=AT + timedelta(days=days)) for days in (1, -1)]
    decisions = [hearing.decide(Known((one,)), FRANCE).decision for one in ends]
    assert decisions == ["allow", "block"]
    old = [consent(given) for given in ("2025-11-20T10:00", "2025-11-20T12:00")]
    assert [hearing.decide(Known((one,)), FRANCE).decision for one in old] == ["block", "allow"]


SITTING = Sitting(LAW, lambda ruling: ruling.decision)
MOMENTS = st.builds(
    lambda turn, seconds: turn + timedelta(seconds=seconds),
    st.sampled_from(
        (
            *map(local, ("2026-11-20T10:00", "2026-11-20T13:00", "2026-11-21T00:00")),
            *map(local, ("2026-10-25T02:00", "2026-10-26T10:00", "2026-08-11T00:00")),
            local("2026-08-11T00:00", "America/Guadeloupe"),
        )
    ),
    st.integers(-3, 3) | st.integers(-90_000, 90_000),
)
PLACES = [
    places_of(Profile(), number=country, default="FR") for country in ("FR", "GP", "ES", "GB", "XX")
]
QUESTIONS = st.tuples(
    st.just(NOTHING_KNOWN) | PEOPLE,
    st.sampled_from(PLACES),
    st.sampled_from((Terms(BRAND, OBJECT), Terms(BRAND, "x", automated=True), Terms())),
    st.sampled_from((Media.VOICE, Media.EMAIL, Media.SMS)),
    MOMENTS,
)


@settings(deadline=None, max_examples=100)
@given(st.lists(QUESTIONS, min_size=2, max_size=8))
def test_what_is_remembered_is_what_would_be_judged_anew(questions: list[Any]) -> None:
    """On both sides of every turn of a clock, and in whichever order they are asked."""
    for known, places, terms, media, at in questions:
        told = SITTING.judge(known, places, terms=terms, media=media, at=at)
        assert told.ruling == Hearing(LAW, terms, media, at).judge(known, places)
        assert told.written == told.ruling.decision


def test_strangers_are_judged_once_until_the_hours_turn() -> None:
    sitting = Sitting(LAW, lambda _: object())
    terms = Terms(BRAND, OBJECT)

    def written(at: str, known: Known = NOTHING_KNOWN) -> object:
        judged = sitting.judge(known, FRANCE, terms=terms, media=Media.VOICE, at=local(at))
        return judged.written

    first = written("2026-11-20T10:00")
    assert written("2026-11-20T12:59:59") is first
    assert written("2026-11-20T13:00") is not first
    # In the evening nothing turns any more, but with the day other rules begin.
    assert written("2026-08-10T21:00") is written("2026-08-10T23:59:59")
    assert written("2026-08-10T21:00") is not written("2026-08-11T21:00")
    # A year ago is no time at which somebody is like all others: that consent ends today.
    ending = Known((consent("2025-11-20T11:00"),))
    fresh = [written(at, Known((consent(),))) for at in ("2026-05-20T10:00", "2026-05-20T11:00")]
    assert fresh[0] is fresh[1]
    assert written("2026-11-20T10:10", ending) is not written("2026-11-20T10:20", ending)
