"""Where somebody is: whose law applies, and whose clock."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["profile", "number", "default", "given"]
"""What told the country; ``given``: whoever asked."""


@dataclass(frozen=True, slots=True)
class Places:
    """Whose law applies and whose clock: one country, or two where number and residence differ.

    ``countries`` are ISO 3166-1 alpha-2, overseas territories their own; the first is what
    ``source`` told. ``zones`` are IANA names: something is inside hours if it is in each of them.
    """

    countries: tuple[str, ...]
    source: Source
    zones: tuple[str, ...]
