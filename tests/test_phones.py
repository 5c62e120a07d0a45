"""One E.164 form for each phone number, by every sentence of the contract."""

import random
import string

import phonenumbers
import pytest

from app.identifiers import Unusable, normalise
from app.journal import Kind


def read(written: str, region: str = "FR") -> str:
    return normalise(Kind.PHONE, written, region=region).value


@pytest.mark.parametrize(
    "written",
    [
        "06 39 98 00 01",
        "0639980001",
        "06.39.98.00.01",
        "06-39-98-00-01",
        "06/39/98/00/01",
        "+33639980001",
        "+33 6 39 98 00 01",
        "+33 (0)6 39 98 00 01",
        "+33.639980001",
        "+330639980001",
        "0033639980001",
        "00 33 6 39 98 00 01",
        "33639980001",
        "639980001",
        "tel:+33639980001",
        "tel:+33-6-39-98-00-01",
        "tel:0639980001;phone-context=+33",
        "  06 39 98 00 01\r\n",
        "06\u00a039\u00a098\u00a000\u00a001",
        "06\u202f39\u202f98\u202f00\u202f01",
        "06\u201039\u201198\u201300\u201401",
        "06\u221239\ufe6398\uff0d00\u201501",
        "\u202a06 39 98 00 01\u202c",
        "06\u200e39980001",
        "\ufeff0639980001",
        "\u0660\u0666\u0663\u0669\u0669\u0668\u0660\u0660\u0660\u0661",
        "\uff10\uff16\uff13\uff19\uff19\uff18\uff10\uff10\uff10\uff11",
        "\uff0b33639980001",
        "06 39 98 00 01 ext. 12",
        "06 39 98 00 01 x12",
        "+33639980001;ext=1234",
        "0639980001,,42",
        "0639980001#7",
        "Tel: 06 39 98 00 01",
    ],
)
def test_a_french_number_has_one_form_however_it_is_written(written: str) -> None:
    assert read(written) == "+33639980001"


@pytest.mark.parametrize(
    ("written", "region", "normal"),
    [
        ("01 99 00 00 01", "FR", "+33199000001"),
        ("030 23125 000", "DE", "+493023125000"),
        ("07700 900123", "GB", "+447700900123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("1-202-555-0123", "US", "+12025550123"),
        ("011 33 1 99 00 00 01", "US", "+33199000001"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("06 6982 0001", "IT", "+390669820001"),
        ("0690 12 34 56", "GP", "+590690123456"),
        ("+447700900123", "FR", "+447700900123"),
        ("+33199000001", "AQ", "+33199000001"),
        ("+800 1234 5678", "FR", "+80012345678"),
    ],
)
def test_the_region_reads_a_national_form_and_no_other(
    written: str, region: str, normal: str
) -> None:
    assert read(written, region) == normal


@pytest.mark.parametrize("region", ["", "F", "fr", "FRA", "ZZ", "XX", "001", "F\0", "\ud800R"])
@pytest.mark.parametrize("written", ["0639980001", "+33639980001"])
def test_an_unknown_region_is_unusable(written: str, region: str) -> None:
    with pytest.raises(Unusable, match="region"):
        read(written, region)


def test_a_region_without_a_numbering_plan_reads_no_national_form() -> None:
    with pytest.raises(Unusable):
        read("0639980001", "AQ")


OVERSEAS = {
    "+262": ["0262", "0263", "0269", "0639", "0692", "0693"],
    "+590": ["0590", "0690", "0691"],
    "+594": ["0594", "0694"],
    "+596": ["0596", "0696", "0697"],
}
"""The table of the contract, as it stands there."""


@pytest.mark.parametrize(
    ("code", "start"), [(code, start) for code, starts in OVERSEAS.items() for start in starts]
)
def test_a_french_overseas_number_is_the_same_by_0_by_33_and_by_its_own_code(
    code: str, start: str
) -> None:
    national = f"{start[1:]}123456"
    normal = code + national
    for written in (
        f"0{national}",
        f"{start} 12 34 56",
        f"+33{national}",
        f"+33 {start[1:]} 12 34 56",
        f"+33 (0){national}",
        f"0033{national}",
        f"33{national}",
        f"{code}{national}",
        f"{code} (0){national}",
    ):
        assert read(written) == normal


def test_numbers_of_fiction_stay_in_france_though_mayotte_has_the_range() -> None:
    assert read("06 39 97 99 99") == "+262639979999"
    assert read("06 39 98 99 99") == "+33639989999"
    assert read("06 39 99 00 00") == "+262639990000"


@pytest.mark.parametrize("written", ["+33639980001", "+336399 80001", "+1 202 055 0123"])
def test_a_possible_number_is_taken_though_it_is_not_valid(written: str) -> None:
    assert not phonenumbers.is_valid_number(phonenumbers.parse(written))
    assert read(written) == "+" + "".join(filter(str.isdigit, written))


@pytest.mark.parametrize("written", ["+33 061 23 45 67", "+1 123 456 7890", "+49 0 012 345 678"])
def test_a_national_prefix_after_the_country_code_makes_an_invalid_number_unusable(
    written: str,
) -> None:
    assert phonenumbers.is_possible_number(phonenumbers.parse(written))
    with pytest.raises(Unusable, match="national prefix"):
        read(written)


def test_a_valid_number_may_begin_with_the_digit_of_the_national_prefix() -> None:
    assert read("+7 812 301 23 45") == "+78123012345"


@pytest.mark.parametrize(
    ("written", "region", "first_reading", "normal"),
    [
        ("8000170444931", "BY", "+37500170444931", "+375170444931"),
        ("+55090521118004", "BR", "+5590521118004", "+55521118004"),
        ("0122135663321", "CN", "+86122135663321", "+865663321"),
    ],
)
def test_a_carrier_prefix_that_only_a_second_reading_takes_off_gives_no_second_form(
    written: str, region: str, first_reading: str, normal: str
) -> None:
    parsed = phonenumbers.parse(written, region)
    assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == first_reading
    for text in (written, first_reading, normal):
        assert read(text, region) == normal


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "0",
        "12",
        "112",
        "15",
        "3615",
        "call me",
        "06399800",
        "063998000112",
        "06+39980001",
        "06 39 98 00 01 / 01 99 00 00 01",
        "0639980001;0199000001",
        "06 39 98 00 01\n01 99 00 00 01",
        "06 39 98 00 01 ext. 0199000001",
        "+999639980001",
        "06\x0039980001",
        "\x000639980001",
        "0639980001\x00",
        "06\x1b39980001",
        "06\ud80039980001",
        "1-800-FLOWERS",
        "a@example.com",
        "0" * 101,
        "06" + "-" * 100 + "39980001",
    ],
)
def test_what_is_no_phone_number_is_unusable(written: str) -> None:
    with pytest.raises(Unusable):
        read(written)


def contract_form(written: str, region: str) -> str | None:
    """Write a number by the sentences of the contract, straight on the library."""
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    national = phonenumbers.national_significant_number(number)
    main_region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    prefix = phonenumbers.ndd_prefix_for_region(main_region, strip_non_digits=True)
    if not phonenumbers.is_possible_number(number):
        return None
    if prefix and national.startswith(prefix) and not phonenumbers.is_valid_number(number):
        return None
    if number.country_code == 33 and not national.startswith("63998"):
        for code, starts in OVERSEAS.items():
            if f"0{national}".startswith(tuple(starts)):
                return code + national
    return f"+{number.country_code}{national}"


def usable(written: str, region: str) -> str | None:
    try:
        return read(written, region)
    except Unusable:
        return None


def test_the_short_way_for_french_numbers_agrees_with_the_library_on_20_000() -> None:
    rng = random.Random(20_261_121)  # noqa: S311 - numbers to compare, no secret
    short, other = ("0", "+33", "+33 ", "+33."), ("+33-", "+330", "0033", "33", "", "+")
    for _ in range(20_000):
        start = rng.choice(short if rng.random() < 0.9 else other)
        first = rng.choice(("6", "63998", "639", "690", "262", "596", "1", "0", "9", "7", ""))
        length = rng.choice((*[9] * 18, 8, 10))
        digits = first + "".join(rng.choices(string.digits, k=length - len(first)))
        gap = rng.choice(("", "", " ", ".", "-", "", " ", ".", "-", "  ", "/"))
        pairs = [digits[:1], *(digits[at : at + 2] for at in range(1, length, 2))]
        written = start + gap.join(pairs)
        region = rng.choice((*["FR"] * 8, "BE", "GP"))
        assert usable(written, region) == contract_form(written, region), (written, region)


def test_every_country_agrees_with_the_library_and_a_normal_form_is_its_own() -> None:
    rng = random.Random(7)  # noqa: S311 - numbers to compare, no secret
    codes = [*phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    compared = 0
    for _ in range(20_000):
        digits = "".join(rng.choices(string.digits, k=rng.randint(4, 12)))
        written = f"+{rng.choice(codes)}{digits}"
        normal = usable(written, "FR")
        if normal is None:
            assert contract_form(written, "FR") is None
        else:
            assert normal == contract_form(contract_form(written, "FR") or "", "FR")
            assert normal == read(normal, "US")
            compared += 1
    assert compared > 5_000
