"""Which column of a file means what: by its name in French or English, and by what stands in it."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from app.platform.problems import FieldError, Problem

from .values import repaired

Columns = dict["Field", tuple[int, ...]]
"""Where each field stands, by index from 0; only contact points may stand in several columns."""


class Field(StrEnum):
    """What a column can mean."""

    PHONE = "phone"
    EMAIL = "email"
    SIREN = "siren"
    CUSTOMER = "customer"
    OCCURRED_AT = "occurred_at"
    REASON = "reason"
    BRAND = "brand"
    MEDIA = "media"
    REFERENCE = "reference"
    REGION = "region"
    AREA_CODE = "area_code"
    """Stands before ``phone``: the two are one number."""


CONTACTS = (Field.PHONE, Field.EMAIL, Field.SIREN, Field.CUSTOMER)


class BadMapping(Problem):
    """The `mapping` of columns to fields does not fit the file.

    `errors` names each column that the file does not have, or has twice, each field that does not
    exist, and each field, other than a contact point, that is mapped twice. A file without a header
    has columns `1`, `2` and so on; one with a header may be mapped so too.
    """

    type = "bad-mapping"
    title = "The mapping does not fit the file"
    status = 422


_OPPOSITION = (
    "opposition|desinscription|desabonnement|optout|opt out|unsubscri\\w+|unsub|refus|refusal|stop"
    "|blocklist\\w*|blacklist\\w*|resiliation|retrait|objection|suppression|bounce|complaint"
)
_PHONES = (
    "tel|tels|tel[0-9]|telephones?|portables?|mobiles?|gsm|phones?|phone[0-9]|cell|cellphone|msisdn"
    "|fixe|landline|numeros?|numbers?|num|sms"
)
_NO_PHONE = "client|siren|siret|date|voie|rue|commande|contrat|dossier|type"
_NAMES: tuple[tuple[Field, str], ...] = (
    (Field.EMAIL, r".*\b(e mail|email|mail|courriel|mel|e mails|emails|mails)\b.*|email address"),
    (Field.OCCURRED_AT, rf"(?=.*\b({_OPPOSITION})\b).*\b(date|time|at|on|le|heure|jour)\b.*"),
    (Field.OCCURRED_AT, r"date|date (et )?heure|date time|datetime|time ?stamp|horodatage"),
    (Field.OCCURRED_AT, r"occurred at|created|created at|blocked ?at"),
    (Field.REASON, r"(motif|raison|reason|cause)( .*)?|.* (motif|reason)"),
    (Field.SIREN, r"(n|no|num|numero|code)? ?siren"),
    (Field.CUSTOMER, r"customer|customer id|(id|code|ref|reference|n|no|num|numero) client|client"),
    (Field.AREA_CODE, r"area ?code|npa"),
    (
        Field.PHONE,
        rf"(?!.*\b({_NO_PHONE})\b).*\b({_PHONES})\b.*",
    ),
    (Field.BRAND, r"brand|marque|enseigne"),
    (Field.MEDIA, r"media|medium|canal|canaux|channels?|moyens?"),
    (Field.REFERENCE, r"reference|ref|reference externe|external (id|reference)"),
    (Field.REGION, r"region|pays|code pays|country|country code|cc"),
)
_PATTERNS = [(field, re.compile(pattern)) for field, pattern in _NAMES]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(?=(?:[^0-9]*[0-9]){8,15}[^0-9]*\Z)[+(]?[0-9][0-9\s().\-/\u2011]*")
_DATE = re.compile(r"(?:19|20)[0-9]{6}|[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}(?:[ T].*)?")
_SCIENTIFIC = re.compile(r"[0-9][.,]?[0-9]*E\+?[0-9]+", re.IGNORECASE)
_NINE = re.compile(r"[0-9]{9}")
_CUSTOMER = re.compile(r"[\w-]+:\S.*")
_LONG_NUMBER = re.compile(r"(?=(?:[^0-9]*[0-9]){6})[+(]?[0-9][0-9\s().\-/]*")
_NUMBER = re.compile(r"[0-9][0-9\s.,]*")
_CONTACT_POINT = (_EMAIL, _LONG_NUMBER, _SCIENTIFIC)
_NO_WORD = (_DATE, _NUMBER, _CUSTOMER)
_MEDIA = re.compile(r"(?:(?:voice|sms|messaging|email|post)(?:\s*[,;|+ ]\s*)?)+")
_COUNTRY = re.compile(r"[A-Z]{2}")
_AROUND = " \t\r\n='\"\u00a0\u202f\ufeff"
"""What spreadsheets and people put around a value."""
_LOOKED_AT = 100
"""Characters of a value or a name; nothing that is looked for is longer."""

_MOST = 0.7
"""Share of the samples that must fit; the rest may be empty of sense, as such files are."""
_SOME = 0.3
"""Share by which the name of a column of contact points is believed: rows that are no good are
refused one by one, where a column left unread would lose what it says of everybody."""


def map_columns(header: Sequence[str] | None, width: int, mapping: Mapping[str, str]) -> Columns:
    """Find the columns that a caller maps: names, or numbers from 1, to fields.

    ``width`` is how many columns there are where there is no header.

    Raises:
        BadMapping: a column or a field is not there, or not clear.
    """
    columns: Columns = {}
    errors: list[FieldError] = []
    for name, word in mapping.items():
        places = _places(name, header, width)
        if word not in set(Field):
            errors.append(_error(name, "there is no such field"))
        elif len(places) != 1:
            errors.append(_error(name, "the file has no such column, or has it twice"))
        elif word not in CONTACTS and Field(word) in columns:
            errors.append(_error(name, f"{word} is mapped twice"))
        else:
            columns[Field(word)] = (*columns.get(Field(word), ()), *places)
    if errors:
        raise BadMapping("The mapping does not fit the file.", errors=errors)
    return columns


def is_header(row: Sequence[str]) -> bool:
    """Tell whether a first row names the columns.

    A contact point in it says no, a name that is known says yes; else whatever is no word says no.
    """
    values = [value for cell in row if (value := _bare(cell))]
    undated = [value for value in values if not _DATE.fullmatch(value)]
    if not values or any(_fits(value, _CONTACT_POINT) for value in undated):
        return False
    if any(_field(plain(value)) for value in values):
        return True
    return not any(_fits(value, _NO_WORD) for value in values)


def _fits(value: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(value) for pattern in patterns)


def _error(name: str, detail: str) -> FieldError:
    escaped = name[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1")
    return FieldError(f"/mapping/{escaped}", detail)


_LONGEST_NAME = 80
_LONGEST_SHOWN = 200
"""As many signs of a name as a mapping may give."""
_UNTOLD = re.compile("[\0\ud800-\udfff]")


def _places(name: str, header: Sequence[str] | None, width: int) -> list[int]:
    exact = [at for at, each in enumerate(header or ()) if each == name]
    found = exact or [at for at, each in enumerate(header or ()) if plain(each) == plain(name)]
    width = max(width, len(header or ()))
    if not found and name.isascii() and name.isdigit() and 1 <= int(name[:6]) <= width:
        return [int(name) - 1]
    return found


def plain(name: str) -> str:
    """Write the name of a column without accents, capitals and signs, words parted by a space."""
    readable = repaired(name[:_LOOKED_AT]).replace("°", " ")
    letters = unicodedata.normalize("NFKD", readable)
    kept = (letter if letter.isalnum() else " " for letter in letters if not _is_accent(letter))
    return " ".join("".join(kept).lower().split())


def shown_name(name: str) -> str:
    """Write the name of a column as text that can be told and kept, whatever stands there."""
    return _UNTOLD.sub("·", repaired(name[:_LONGEST_SHOWN]))


def _is_accent(letter: str) -> bool:
    return unicodedata.combining(letter) > 0


def guess_by_names(header: Sequence[str], samples: Sequence[Sequence[str]]) -> Columns:
    """Guess from the names, where what stands in a column does not contradict its name."""
    columns: Columns = {}
    for at, name in enumerate(header):
        field = _field(plain(name))
        if field and not _contradicts(field, _values(samples, at)):
            if field in CONTACTS:
                columns[field] = (*columns.get(field, ()), at)
            else:
                columns.setdefault(field, (at,))
    return columns


def _field(name: str) -> Field | None:
    return next((field for field, pattern in _PATTERNS if pattern.fullmatch(name)), None)


def _contradicts(field: Field, values: Sequence[str]) -> bool:
    looks = _LOOKS.get(field)
    share = _SOME if field in CONTACTS else _MOST
    return bool(values) and looks is not None and not _enough(values, looks, share)


def guess_by_values(samples: Sequence[Sequence[str]], *, taken: Columns) -> Columns:
    """Guess which columns hold contact points from what stands in those not taken."""
    found: Columns = {}
    width = max(map(len, samples), default=0)
    for at in range(width):
        values = _values(samples, at)
        if not values or (at,) in taken.values():
            continue
        for field, looks in ((Field.EMAIL, _is_email), (Field.PHONE, _is_phone)):
            if _most(values, looks):
                found[field] = (*found.get(field, ()), at)
    if not found and width >= _TWO and _is_split(samples):
        return {Field.AREA_CODE: (0,), Field.PHONE: (1,)}
    if not found and _most(_values(samples, 0), _is_customer):
        return {Field.CUSTOMER: (0,)}
    return found


_TWO = 2
_AREA, _LOCAL = re.compile("[2-9][0-9]{2}"), re.compile("[0-9]{7}")


def _is_split(samples: Sequence[Sequence[str]]) -> bool:
    """Tell whether the columns are an American area code and the seven digits behind it."""
    area, local = _values(samples, 0), _values(samples, 1)
    return _most(area, lambda value: bool(_AREA.fullmatch(value))) and _most(
        local, lambda value: bool(_LOCAL.fullmatch(value))
    )


def _values(samples: Sequence[Sequence[str]], at: int) -> list[str]:
    """List what stands in a column, without what spreadsheets put around it."""
    found = (_bare(row[at]) for row in samples if at < len(row))
    return [value for value in found if value]


def _bare(cell: str) -> str:
    return cell[:_LOOKED_AT].strip(_AROUND)


def _most(values: Sequence[str], looks: Callable[[str], bool]) -> bool:
    return bool(values) and _enough(values, looks, _MOST)


def _enough(values: Sequence[str], looks: Callable[[str], bool], share: float) -> bool:
    return sum(map(looks, values)) >= share * len(values)


def _is_email(value: str) -> bool:
    return bool(_EMAIL.fullmatch(value))


def _is_phone(value: str) -> bool:
    if _SCIENTIFIC.fullmatch(value):
        return True
    if _DATE.fullmatch(value) or (_NINE.fullmatch(value) and value[0] not in "67"):
        return False
    return bool(_PHONE.fullmatch(value.removesuffix(".0")))


def _has_digits(value: str) -> bool:
    return any(map(str.isdigit, value))


def _is_customer(value: str) -> bool:
    return bool(_CUSTOMER.fullmatch(value))


_LOOKS: dict[Field, Callable[[str], bool]] = {
    Field.PHONE: _has_digits,
    Field.EMAIL: lambda value: "@" in value,
    Field.SIREN: _has_digits,
    Field.CUSTOMER: _is_customer,
    Field.OCCURRED_AT: _has_digits,
    Field.MEDIA: lambda value: bool(_MEDIA.fullmatch(value.lower())),
    Field.REGION: lambda value: bool(_COUNTRY.fullmatch(value)),
}
"""What most values of a column must look like for its name to be believed."""
