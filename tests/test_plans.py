"""The patterns that read phone numbers fast, held to libphonenumber on random and hostile texts.

``PHONES`` is how many are tried, 80,000 unless it says else: PHONES=1000000 takes five minutes.
"""

import os
import random
from collections.abc import Callable, Iterator
from functools import cache

import phonenumbers
import pytest
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from app.identifiers import Unusable, normalise_many
from app.identifiers.phones import normal_phone, parsed_phone
from app.identifiers.plans import Plan
from app.journal import Kind

PHONES = int(os.environ.get("PHONES", "80000"))
CHUNK = 2_000
SHARES = 8

USUAL = (
    *("FR", "FR", "FR", "BE", "CH", "DE", "ES", "IT", "GB", "US", "MA", "SN", "TN"),
    *("CA", "LU", "PT", "NL", "AT", "IE", "GP", "RE"),
)
REGIONS = [*sorted(phonenumbers.SUPPORTED_REGIONS), "AQ", "ZZ", "fr", ""]
MAIN_REGIONS = [regions[0] for regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.values()]
CODES = [*phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
TYPES = (
    *(PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE),
    *(PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.VOIP),
    PhoneNumberType.UAN,
)
SPELLINGS = (
    *(PhoneNumberFormat.E164, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL),
    PhoneNumberFormat.RFC3966,
)
ODD = "x#,;~*+/()[]-\u2013.oO0 \t\n\r\0\x1c\x85\xa0\u202f\u2010\u200e\u0660\uff10\uff0bABCé\ud800"

Chance = random.Random


@cache
def examples(region: str) -> list[str]:
    """List valid national numbers of a region, one of each type."""
    found = (phonenumbers.example_number_for_type(region, one) for one in TYPES)
    return [phonenumbers.national_significant_number(one) for one in found if one] or ["23456789"]


def prefixes(region: str) -> list[str]:
    """List what may be dialled before a number, rightly or wrongly."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    code = str(metadata.country_code) if metadata else "33"
    own = (metadata.national_prefix if metadata else None) or "0"
    abroad = "011" if region in {"US", "CA"} else "00"
    return [
        *(own, own, own, "", f"+{code}", f"+{code}", f"{abroad}{code}", code, f"+{code}{own}"),
        *(f"{abroad}{code}{own}", f"{code}{own}", own + own, f"{own}{code}"),
        *("+", "00", "0", "1", "8", "011", "0033"),
    ]


def national(chance: Chance, region: str) -> str:
    """Make up a national number: a valid one with some digits changed, or any digits."""
    if chance.random() < 0.15:
        return "".join(chance.choices("0123456789", k=chance.randint(1, 15)))
    digits = list(chance.choice(examples(region)))
    for _ in range(chance.choice((0, 1, 2, 4, 6))):
        digits[-chance.randint(1, len(digits))] = chance.choice("0123456789")
    if chance.random() < 0.1:
        digits = digits[: chance.randint(1, len(digits))]
    if chance.random() < 0.1:
        digits += chance.choices("0123456789", k=chance.randint(1, 4))
    return "".join(digits)


def spaced(chance: Chance, digits: str) -> str:
    """Put separators between digits."""
    gap = chance.choice(("", "", "", " ", " ", ".", "-", "/", "\xa0", ") (", "  ", " - "))
    step = chance.choice((2, 3, 4))
    return gap.join(digits[at : at + step] for at in range(0, len(digits), step))


def written(chance: Chance, region: str) -> str:
    """Write a number of a region, or of another country, as people, programs and enemies do."""
    where = region if chance.random() < 0.7 else chance.choice(MAIN_REGIONS)
    if chance.random() < 0.2:
        try:
            number = phonenumbers.parse(national(chance, where), where)
        except phonenumbers.NumberParseException:
            return "0"
        return phonenumbers.format_number(number, chance.choice(SPELLINGS))
    text = chance.choice(prefixes(where)) + spaced(chance, national(chance, where))
    if chance.random() < 0.1:
        text = f"+{chance.choice(CODES)}{text}"
    while chance.random() < 0.1:
        at = chance.randint(0, len(text))
        text = text[:at] + chance.choice(ODD) * chance.choice((1, 1, 2, 60)) + text[at:]
    return text


def by_library(text: str, region: str) -> str | None:
    try:
        return parsed_phone(text, region)
    except Unusable:
        return None


def by_pattern(text: str, region: str) -> str | None:
    try:
        return normal_phone(text, region)
    except Unusable:
        return None


def chunks(share: int) -> Iterator[tuple[str, list[str]]]:
    """Make up the texts of one share of the test, many of one region at a time."""
    for number in range(share, PHONES // CHUNK, SHARES):
        chance = random.Random(number)  # noqa: S311 - numbers to compare, no secret
        region = chance.choice(USUAL if number % 2 else REGIONS)
        yield region, [written(chance, region) for _ in range(CHUNK)]


@pytest.mark.parametrize("share", range(SHARES))
def test_every_text_is_read_as_the_library_reads_it(share: int, decided: Callable[[], int]) -> None:
    compared = usable = 0
    for region, texts in chunks(share):
        expected = [by_library(text, region) for text in texts]
        for first in range(0, CHUNK, 250):
            many = normalise_many(Kind.PHONE, texts[first : first + 250], region=region)
            assert many == expected[first : first + 250]
        for text, normal in zip(texts, expected, strict=True):
            assert by_pattern(text, region) == normal, (text, region)
        compared += CHUNK
        usable += sum(normal is not None for normal in expected)
    assert compared >= PHONES // SHARES - CHUNK
    assert usable > compared / 3
    assert decided() > usable / 2, "many are read without the library, however few are common"


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count what the patterns decided."""
    counted = 0
    read, read_lines = Plan.read, Plan.read_lines

    def counting(plan: Plan, text: str) -> str | None:
        nonlocal counted
        national = read(plan, text)
        counted += national is not None
        return national

    def counting_lines(plan: Plan, lines: str) -> list[str]:
        nonlocal counted
        nationals = read_lines(plan, lines)
        counted += sum(map(bool, nationals))
        return nationals

    monkeypatch.setattr(Plan, "read", counting)
    monkeypatch.setattr(Plan, "read_lines", counting_lines)
    return lambda: counted


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["", ""],
        ["06 12 34 56 78\n", "+33612345679"],
        ["06 12 34 56 78", "\n", "+33612345679"],
        ["0612345678\n0612345679"],
        ["0612345678\r", "06\x0b12345679", "06\x8512345670", "06\u202812345670"],
        ["06" + "-" * 100 + "12345678", "0612345678"],
        ["0612345678" + " " * 2_000, "0612345678"],
        ["0612345678", "not a number", "+44 7700 900123", "0033612345678", "+1 202 555 0123"],
    ],
)
def test_many_are_read_as_one_by_one_whatever_stands_between_them(texts: list[str]) -> None:
    assert normalise_many(Kind.PHONE, texts, region="FR") == [
        by_library(text, "FR") if len(text) <= 1_000 else None for text in texts
    ]
