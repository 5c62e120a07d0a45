"""Forms that ask for what the API takes: the same models judge both, each fault at its field.

A field is named by its path in the model (``delivery.url``), a choice of several by the path and
the word (``media.voice``).
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.platform.problems import Problem
from app.platform.wire import wire_time

Model = TypeVar("Model", bound=BaseModel)

_MOST = 2_000
_FIELDS = {
    "already-exists": "slug",
    "unknown-party": "party",
    "unknown-channel": "channel",
    "unknown-database": "database",
    "unknown-brand": "brand",
    "forbidden-destination": "delivery.url",
    "weak-format": "delivery.accept_weak",
    "unreadable-file": "file",
    "in-the-future": "occurred_at",
}
"""At which field a refusal is said; its words stand under ``fault``."""


class BadForm(Exception):  # noqa: N818 - it says what the form is
    """What was typed cannot be taken; ``faults`` names for each field the word that says why."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        """Take the faults by their fields."""
        super().__init__(", ".join(faults))
        self.faults = faults


def faults_of(refusal: BadForm | Problem) -> Mapping[str, str]:
    """Say a refusal at the fields that it is about.

    Raises:
        Problem: it is about none, and is shown as a page of its own.
    """
    if isinstance(refusal, BadForm):
        return refusal.faults
    if refusal.type not in _FIELDS:
        raise refusal
    return {_FIELDS[refusal.type]: f"fault.{refusal.type}"}


def typed(fields: Mapping[str, str], name: str, *, most: int = _MOST) -> str:
    """Take what was typed into one field, without what no text may hold."""
    return fields.get(name, "").replace("\x00", "").strip()[:most]


def picked(fields: Mapping[str, str], name: str) -> list[str]:
    """List which boxes of a choice are ticked."""
    return [one.removeprefix(f"{name}.") for one in fields if one.startswith(f"{name}.")]


def last_moment_of(day: str, zone: ZoneInfo) -> str:
    """Say when a day is over, as the API takes it; what is no day is left for it to refuse."""
    try:
        last = datetime.fromisoformat(f"{day}T23:59:59")
    except ValueError:
        return day
    return wire_time(last.replace(tzinfo=zone))


def slug_of(name: str) -> str:
    """Make a slug of a name: "Dialler Été 2" becomes "dialler-ete-2"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")


def read_form(model: type[Model], said: Mapping[str, Any]) -> Model:
    """Read what a form says; what is None or empty text was left out.

    Raises:
        BadForm: the model refuses it.
    """
    try:
        return model.model_validate(_without_blanks(said))
    except ValidationError as error:
        raise BadForm({_field(fault["loc"]): _why(fault) for fault in error.errors()}) from None


def _without_blanks(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_blanks(value) if isinstance(value, Mapping) else value
        for name, value in said.items()
        if value not in (None, "")
    }


def _field(place: tuple[int | str, ...]) -> str:
    names = [part for part in place if isinstance(part, str)]
    return "delivery.url" if names == _WHOLE else ".".join(names[:2])


_WHOLE = ["delivery"]
"""What is said of the delivery as a whole is that its URL is missing."""


def _why(fault: ErrorDetails) -> str:
    missing = fault["type"] in ("missing", "too_short") or list(fault["loc"]) == _WHOLE
    return "fault.missing" if missing else "fault.form"
