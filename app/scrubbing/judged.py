"""What the law was found to say about the rows of a file, beside what stands about them."""

import json
from array import array
from dataclasses import dataclass, field
from datetime import datetime

from app.policy import Brief


@dataclass(slots=True)
class Judged:
    """What the law says about some thousand rows in order, whatever stands about them.

    ``regions`` holds for each row the place of its number's country in ``countries`` (None where
    there is no number), by which it can be judged anew. ``outcomes`` holds the place in ``briefs``
    of what it was told, counted from 1; 0 is a row that nothing can be asked about.
    """

    regions: bytes
    countries: list[str | None]
    outcomes: "array[int]"
    briefs: list[Brief] = field(default_factory=list)

    @classmethod
    def begin(cls, regions: bytes, countries: list[str | None]) -> "Judged":
        """Begin with the countries of some rows, of which none is judged."""
        return cls(regions, countries, array("H", bytes(2 * len(regions))))

    def brief(self, row: int) -> Brief | None:
        """Tell what a row was told, None if it was not judged."""
        outcome = self.outcomes[row]
        return self.briefs[outcome - 1] if outcome else None

    def pack(self) -> bytes:
        """Write it as bytes; how many rows there are must be known to read it."""
        briefs = [
            (one.decision, one.code, one.next_allowed_at and one.next_allowed_at.isoformat())
            for one in self.briefs
        ]
        text = json.dumps([self.countries, briefs]).encode()
        return b"".join((self.regions, self.outcomes.tobytes(), text))

    @classmethod
    def unpack(cls, packed: bytes, rows: int) -> "Judged":
        """Read what ``pack`` wrote."""
        countries, briefs = json.loads(packed[3 * rows :])
        return cls(
            packed[:rows],
            countries,
            array("H", packed[rows : 3 * rows]),
            [Brief(decision, code, _moment(at)) for decision, code, at in briefs],
        )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
