"""The form of an import: what holds for a file's rows that say nothing else, and its columns.

The same model judges it as judges what the API is sent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

from app.intake import ColumnWord, ImportIn
from app.platform.wire import wire_time

from .forms import BadForm, last_moment_of, picked, read_form, typed
from .words import Words

LINES = 6
"""Columns that the form can name."""
_MORE = ("media", "occurred_at", "region", "mapping")


def read_import_form(said: Mapping[str, str], zone: ZoneInfo, *, at: datetime) -> ImportIn:
    """Read what was said beside a file.

    Raises:
        BadForm: it cannot be taken.
    """
    plain = {name: typed(said, name) for name in ("channel", "brand", "reason", "dry_run")}
    more = {
        "media": "|".join(picked(said, "media")),
        "occurred_at": _when(typed(said, "occurred_at"), zone, at),
        "region": typed(said, "region"),
        "mapping": _mapping(said),
    }
    try:
        return read_form(ImportIn, plain | more)
    except BadForm as refusal:
        # A fault of one column is said below all of them.
        faults = {field.partition(".")[0]: why for field, why in refusal.faults.items()}
        raise BadForm(faults) from None


def _when(day: str, zone: ZoneInfo, at: datetime) -> str:
    """Say when a day is over; of today, which is not, what time it is."""
    if day == at.astimezone(zone).date().isoformat():
        return wire_time(at)
    return last_moment_of(day, zone)


def _mapping(said: Mapping[str, str]) -> dict[str, str] | None:
    """Read which column holds what, one line for each.

    Raises:
        BadForm: a line is half empty, or two are about the same column.
    """
    mapping: dict[str, str] = {}
    for line in range(LINES):
        column, holds = typed(said, f"column.{line}", most=200), typed(said, f"holds.{line}")
        if bool(column) != bool(holds) or column in mapping:
            raise BadForm({"mapping": "fault.mapping"})
        if column:
            mapping[column] = holds
    return mapping or None


def import_choices(
    t: Words, said: Mapping[str, str], faults: Mapping[str, str]
) -> dict[str, object]:
    """Say what the form offers, and whether its folded part is to be open."""
    filled = any(said.get(name) for name in ("occurred_at", "region", "column.0", "holds.0"))
    return {
        "lines": range(LINES),
        "holds": [(word, t(f"holds.{word}")) for word in get_args(ColumnWord)],
        "countries": t.countries(),
        "more": filled or bool(picked(said, "media")) or any(name in faults for name in _MORE),
    }
