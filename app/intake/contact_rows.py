"""Rows of a file of consents, contracts, attempts or profiles: read as if each were sent alone.

What a cell says goes into the model that the API takes, so that a file can say no more and is
refused no less. Pure.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.contacts import AttemptIn, ContractIn, ProfileIn
from app.files import BadValue, Batch, DateOrder, Fault, clean, phone_text, read_date

from .consent_models import ConsentIn
from .import_rows import Refused, masked_text

RecordKind = Literal["consents", "contracts", "attempts", "profiles"]
RowModel = ConsentIn | ContractIn | AttemptIn | ProfileIn
MODELS: Mapping[RecordKind, type[RowModel]] = {
    "consents": ConsentIn,
    "contracts": ContractIn,
    "attempts": AttemptIn,
    "profiles": ProfileIn,
}
POINTS = ("phone", "email", "siren", "customer")
_EVIDENCE = {
    "evidence_kind": ("evidence", "kind"),
    "evidence_reference": ("evidence", "reference"),
}
FIELDS: Mapping[RecordKind, Mapping[str, tuple[str, ...]]] = {
    "consents": {
        **{name: (name,) for name in ("brand", "object", "medium", "given_at", "expires_at")},
        **{name: (name,) for name in ("mentions", "positive_act", "collected_by", "called_by")},
        "wording_text": ("wording", "text"),
        "wording_version": ("wording", "version"),
        "wording_sha256": ("wording", "sha256"),
        "source": ("source", "kind"),
        "source_reference": ("source", "reference"),
        "supplier": ("source", "supplier"),
        "lot": ("source", "lot"),
        **_EVIDENCE,
        "evidence_sha256": ("evidence", "sha256"),
        **{name: ("technical", name) for name in ("ip", "user_agent", "url", "transaction")},
    },
    "contracts": {
        name: (name,)
        for name in ("brand", "object", "from_on", "to_on", "opt_out_offered", "reference")
    },
    "attempts": {name: (name,) for name in ("brand", "medium", "attempted_at", "outcome", "party")},
    "profiles": {
        **{name: (name,) for name in ("audience", "country", "time_zone", "sole_trader", "fits")},
        **_EVIDENCE,
    },
}
"""By kind, the columns that are read beside those of contact points, and where each belongs."""
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_END_OF_DAY = time(23, 59, 59, 999_999)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_YES, _NO = ("true", "1", "yes", "oui", "vrai"), ("false", "0", "no", "non", "faux")


@dataclass(frozen=True, slots=True)
class RowDefaults:
    """What holds for the rows of a file: flat fields, the region of phones, how dates are read."""

    kind: RecordKind
    values: Mapping[str, str]
    region: str
    zone: ZoneInfo
    order: DateOrder | None


@dataclass(slots=True)
class RecordChunk:
    """Some rows in order; ``number`` is that of the last, ``rows`` how many there are."""

    number: int = 0
    rows: int = 0
    lines: list[tuple[int, int, RowModel]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class RecordReader:
    """Reads the rows of one file; ``columns`` tells where each flat field stands."""

    def __init__(
        self, header: Sequence[str], columns: Mapping[str, int], defaults: RowDefaults
    ) -> None:
        """Take what the columns mean; all others are not looked at."""
        self._header = header
        self._columns = columns
        self._defaults = defaults
        self._model = MODELS[defaults.kind]
        self._fields = FIELDS[defaults.kind]

    def chunks(self, batches: Iterator[Batch], *, after: int, most: int) -> Iterator[RecordChunk]:
        """Read the rows after number ``after``, at most ``most`` at a time."""
        chunk = RecordChunk()
        for batch in batches:
            for row in batch.rows():
                if row.number <= after or row.fault is Fault.BLANK:
                    continue
                chunk.number = row.number
                chunk.rows += 1
                if row.fault is not None:
                    chunk.refused.append(Refused(row.number, row.line, "", "", row.fault.value))
                else:
                    self._read(chunk, row.line, row.cells)
                if chunk.rows == most:
                    yield chunk
                    chunk = RecordChunk()
        if chunk.rows:
            yield chunk

    def _read(self, chunk: RecordChunk, line: int, cells: Sequence[str]) -> None:
        said = dict(self._defaults.values) | {
            name: cell
            for name, at in self._columns.items()
            if at < len(cells) and (cell := clean(cells[at]))
        }
        name = ""
        try:
            nested: dict[str, Any] = {"identifier": self._identifier(said)}
            for name, path in self._fields.items():
                if name in said:
                    _put(nested, path, self._value(name, said[name]))
            chunk.lines.append((chunk.number, line, self._model.model_validate(nested)))
        except BadValue as bad:
            chunk.refused.append(self.refusal(chunk.number, line, name, said, bad.code))
        except ValidationError as error:
            fault = error.errors()[0]
            name = self.field_of("/".join(str(step) for step in fault["loc"]))
            reason = "missing" if fault["type"] == "missing" else "unusable"
            chunk.refused.append(self.refusal(chunk.number, line, name, said, reason))

    def refusal(
        self, number: int, line: int, name: str, said: Mapping[str, str], reason: str
    ) -> Refused:
        """Tell which row is refused, by which column, what stands there masked, and why."""
        at = self._columns.get(name)
        column = name if at is None else self._header[at].replace("\0", "")[:80]
        return Refused(number, line, column, masked_text(said.get(name, "")), reason)

    def field_of(self, pointer: str) -> str:
        """Tell to which column a place in the model belongs."""
        place = pointer.strip("/")
        if place.startswith("identifier"):
            return next((name for name in POINTS if name in self._columns), "")
        names = {"/".join(path): name for name, path in self._fields.items()}
        whole = place.partition("/")[0]
        return names.get(place) or next(
            (name for path, name in names.items() if path.partition("/")[0] == whole), whole
        )

    def _identifier(self, said: Mapping[str, str]) -> dict[str, str]:
        for kind in POINTS:
            if kind in said:
                value = phone_text(said[kind]) if kind == "phone" else said[kind]
                region = said.get("region", "").upper() or self._defaults.region
                return {"kind": kind, "value": value, "region": region}
        raise BadValue("no_contact_point")

    def _value(self, name: str, text: str) -> object:
        read = _READERS.get(name)
        return text if read is None else read(text, self._defaults)


def _put(nested: dict[str, Any], path: Sequence[str], value: object) -> None:
    for step in path[:-1]:
        nested = nested.setdefault(step, {})
    nested[path[-1]] = value


def _moment(text: str, defaults: RowDefaults) -> str:
    """Read a time; of a day alone its beginning, for nothing may last longer than was said."""
    if _RFC3339.fullmatch(text):
        return text.replace(" ", "T")
    local = read_date(text, zone=defaults.zone, now=_LATEST, order=defaults.order).astimezone(
        defaults.zone
    )
    if local.time() == _END_OF_DAY:
        local = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return local.isoformat()


def _day(text: str, defaults: RowDefaults) -> str:
    return _moment(text, defaults)[: len("2026-01-31")]


def _flag(text: str, _: RowDefaults) -> object:
    word = text.lower()
    return True if word in _YES else False if word in _NO else text


def _words(text: str, _: RowDefaults) -> list[str]:
    return [word for word in re.split(r"[\s,;|+/]+", text.lower()) if word]


def _names(text: str, _: RowDefaults) -> list[str]:
    return [name for one in text.split("|") if (name := one.strip())]


_READERS: Mapping[str, Callable[[str, RowDefaults], object]] = {
    "given_at": _moment,
    "expires_at": _moment,
    "attempted_at": _moment,
    "from_on": _day,
    "to_on": _day,
    "opt_out_offered": _flag,
    "sole_trader": _flag,
    "mentions": _words,
    "fits": _names,
}
"""What is no plain text, and how it is read."""
MOMENTS = tuple(name for name, read in _READERS.items() if read in (_moment, _day))
