"""Packs as files: what is refused when they are loaded, with the file and the line."""

import json
from typing import Any

import jsonschema_rs
import pytest
import yaml

from app.policy import BadPack, OwnPack, holiday_name, packaged, read_pack, the_law
from app.policy.codex import FOLDER
from app.policy.law import Law

SCHEMA = jsonschema_rs.validator_for(
    json.loads((FOLDER / "schema.json").read_text()), validate_formats=True
)

HEAD = """\
pack: xx
version: 2026-11-01
title: {fr: Essai, en: Trial}
role: country
countries: [XX]
"""
RULE = """\
- {id: A, kind: permit, from: 2020-01-01, media: [sms], when: {consent: valid}, reason: consent,
   basis: [a law], confidence: high, says: {fr: Oui., en: Yes.}}
"""
PACK = HEAD + "rules:\n" + RULE


def plain(text: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Read a pack as JSON would hold it."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_pack_fits_the_schema_and_names_known_holidays(file: Any) -> None:  # noqa: ANN401
    SCHEMA.validate(plain(file.read_text()))
    pack = read_pack(file.name, file.read_text())
    assert pack.name == file.stem
    assert pack.incomplete == (file.stem not in ("core-eu", "fr"))
    for hours in pack.hours:
        if hours.holidays is not None:
            christmas = hours.starts.replace(month=12, day=25)
            assert holiday_name(hours.holidays, christmas) == "Noël"
            assert holiday_name(hours.holidays, christmas, "en") == "Christmas Day"


def test_a_pack_that_is_right_is_read() -> None:
    pack = read_pack("xx.yaml", PACK)
    SCHEMA.validate(plain(PACK))
    assert (pack.label, pack.rules[0].place) == ("xx 2026-11-01", "xx.yaml:7")
    Law([pack])


@pytest.mark.parametrize(
    ("pattern", "instead", "line", "why"),
    [
        ("from: 2020-01-01", 'from: "2020-02-30"', 7, "there is no day 2020-02-30"),
        ("from: 2020-01-01", "from: soon", 7, "a date as 2026-01-31 is needed"),
        ("confidence: high", "confidence: sure", 8, "'sure' is none of high, medium, low"),
        ("consent: valid", "consent: fine", 7, "'fine' is none of none, valid"),
        ("consent: valid", "consents: valid", 7, "there is no fact 'consents'"),
        ("consent: valid", "agreed_slot: maybe", 7, "'maybe' is none of false, true"),
        ("media: [sms]", "media: [fax]", 7, "'fax' is none of voice_live"),
        ("media: [sms]", "media: []", 7, "an empty list"),
        ("kind: permit", "kind: wish", 7, "'wish' is none of prohibit"),
        ("reason: consent", "reason: CONSENT", 7, "a reason in lower case is needed"),
        ("kind: permit, ", "", 7, "'kind' is missing"),
        ("kind: permit", "kind: permit, color: red", 7, "there is no 'color' here"),
        ("countries: [XX]", "countries: [xx]", 5, "a country as FR is needed"),
        ("role: country", "role: king", 4, "'king' is none of base"),
        ("fr: Oui.", "fr: {}", 8, "a text is needed"),
        ("basis: [a law]", "basis: a law", 8, "a list is needed"),
    ],
)
def test_what_the_schema_refuses_is_refused_with_its_line(
    pattern: str, instead: str, line: int, why: str
) -> None:
    text = PACK.replace(pattern, instead)
    assert not SCHEMA.is_valid(plain(text))
    with pytest.raises(BadPack) as refused:
        read_pack("xx.yaml", text)
    assert str(refused.value).startswith(f"xx.yaml:{line}: ")
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "xx.yaml:1: it is empty"),
        ("a: [", "xx.yaml:2: no YAML"),
        ("- a\n- b\n", "xx.yaml:1: names with values are needed"),
        ("pack: xx\npack: yy\n", "xx.yaml:2: 'pack' stands there twice"),
        ("a: &a [x]\nb: *a\n", "xx.yaml:2: an alias"),
        ("x" * 1_000_001, "xx.yaml:1: longer than"),
        ("[" * 900_000, "xx.yaml:1: nested too deep"),
    ],
)
def test_what_is_no_pack_at_all_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadPack) as refused:
        read_pack("xx.yaml", text)
    assert str(refused.value).startswith(message)


def rule(number: str, kind: str = "permit", **other: str) -> str:
    """Write a rule on two lines."""
    given = {"from": "2020-01-01", "media": "[sms]", "when": "{consent: valid}", **other}
    fields = ", ".join(f"{name}: {value}" for name, value in given.items())
    return (
        f"- {{id: {number}, kind: {kind}, {fields},\n"
        "   reason: x, basis: [a], confidence: low, says: {fr: Oui., en: Yes.}}\n"
    )


def number(name: str, value: int, **other: str) -> str:
    """Write a parameter on a line."""
    fields = ", ".join(f"{one}: {text}" for one, text in {"from": "2020-01-01", **other}.items())
    return f"- {{name: {name}, value: {value}, {fields}, basis: [a], confidence: low}}\n"


def hours(span: str, **other: str) -> str:
    """Write hours on a line."""
    fields = ", ".join(f"{one}: {text}" for one, text in {"from": "2020-01-01", **other}.items())
    return (
        f"- {{fact: call_window, days: [mon], open: [{span}], {fields},"
        " basis: [a], confidence: low}\n"
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            "rules:\n" + rule("A") + rule("A", **{"from": "2021-01-01"}),
            "xx.yaml:9: rule A overlaps with the interval at xx.yaml:7",
            id="two versions of a rule at once",
        ),
        pytest.param(
            "rules:\n" + rule("A", to="2020-01-01"),
            "xx.yaml:7: it ends on 2020-01-01, not after it begins on 2020-01-01",
            id="an interval of no day",
        ),
        pytest.param(
            "rules:\n" + rule("A") + rule("B", "prohibit", when="{}"),
            "xx.yaml:7: A permits what B prohibits at xx.yaml:9",
            id="permitted and prohibited at once",
        ),
        pytest.param(
            "rules:\n" + rule("A", "constrain"),
            "xx.yaml:7: a constraint waits for something",
            id="a constraint without an end",
        ),
        pytest.param(
            "rules: []\nparameters:\n" + number("attempts", 3) + number("attempts", 4),
            "xx.yaml:9: attempts overlaps with the interval at xx.yaml:8",
            id="two numbers at once",
        ),
        pytest.param(
            "rules: []\nparameters:\n" + number("attempts", 10),
            "xx.yaml:8: attempts may be 9 at most",
            id="more attempts than are looked at",
        ),
        pytest.param(
            "rules: []\nhours:\n" + hours('"09:00-12:00"') + hours('"13:00-14:00"'),
            "xx.yaml:9: hours of call_window overlaps with the interval at xx.yaml:8",
            id="two hours at once",
        ),
        pytest.param(
            "rules: []\nhours:\n" + hours('"09:00-12:00", "11:00-14:00"'),
            "xx.yaml:8: hours that overlap, or are not in order",
            id="hours that overlap",
        ),
        pytest.param(
            "rules: []\nhours:\n" + hours('"12:00-09:00"'),
            "xx.yaml:8: hours that end after they begin",
            id="hours reversed",
        ),
    ],
)
def test_a_pack_that_contradicts_itself_is_refused_with_its_line(body: str, message: str) -> None:
    with pytest.raises(BadPack) as refused:
        Law([read_pack("xx.yaml", HEAD + body)])
    assert str(refused.value).startswith(message)


def test_versions_of_a_rule_may_follow_one_another() -> None:
    text = HEAD + "rules:\n" + rule("A", to="2021-01-01") + rule("A", **{"from": "2021-01-01"})
    Law([read_pack("xx.yaml", text)])


def test_two_packs_of_one_country_contradict_each_other() -> None:
    packs = [read_pack(f"{name}.yaml", PACK.replace("pack: xx", f"pack: {name}")) for name in "ab"]
    with pytest.raises(BadPack, match="a and b are both the pack of XX"):
        Law(packs)


OWN = """\
pack: own
version: 2026-11-01
title: {fr: La maison, en: The house}
role: operator
countries: [FR]
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("rules:\n" + rule("A"), "own.yaml:7: an operator's own pack may tighten the law"),
        (
            "rules:\n" + rule("A", "review"),
            "own.yaml:7: an operator's own pack may tighten the law",
        ),
        (
            "rules: []\nparameters:\n" + number("attempts", 5, **{"from": "2024-01-01"}),
            "own.yaml:8: attempts may be no larger than the 4 of fr.yaml:",
        ),
        (
            "rules: []\nparameters:\n" + number("attempts_days", 29, **{"from": "2024-01-01"}),
            "own.yaml:8: attempts_days may be no smaller than the 30 of fr.yaml:",
        ),
        (
            "rules: []\nhours:\n" + hours('"09:00-12:00"', holidays="XX"),
            "own.yaml:8: the holidays of XX are not known",
        ),
    ],
)
def test_an_operators_own_pack_may_only_tighten(body: str, message: str) -> None:
    with pytest.raises(BadPack) as refused:
        the_law(OwnPack("own.yaml", OWN + body))
    assert str(refused.value).startswith(message)


def test_an_operators_own_pack_is_one() -> None:
    with pytest.raises(BadPack, match=r"own.yaml:1: its role must be 'operator'"):
        the_law(OwnPack("own.yaml", PACK))
    assert len(packaged()) == 9
