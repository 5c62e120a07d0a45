"""Where somebody is: whose law applies, and whose clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from .records import Profile

Source = Literal["profile", "number", "default", "given"]
"""What told the country; ``given``: whoever asked."""

ZONES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "FR": ("Europe/Paris",),
        "GP": ("America/Guadeloupe",),
        "MQ": ("America/Martinique",),
        "GF": ("America/Cayenne",),
        "RE": ("Indian/Reunion",),
        "YT": ("Indian/Mayotte",),
        "BL": ("America/St_Barthelemy",),
        "MF": ("America/Marigot",),
        "PM": ("America/Miquelon",),
        "BE": ("Europe/Brussels",),
        "DE": ("Europe/Berlin",),
        "ES": ("Europe/Madrid", "Atlantic/Canary"),
        "IT": ("Europe/Rome",),
        "NL": ("Europe/Amsterdam",),
        "GB": ("Europe/London",),
        "US": (
            "America/New_York",
            "America/Chicago",
            "America/Denver",
            "America/Phoenix",
            "America/Los_Angeles",
            "America/Anchorage",
            "Pacific/Honolulu",
        ),
    }
)
"""The zones of each country that a pack is for: where there are several, all of them count."""

_NO_ZONE = ("Etc/UTC",)
"""For a country without a pack, where nothing is allowed at any hour."""


@dataclass(frozen=True, slots=True)
class Places:
    """Whose law applies and whose clock: one country, or two where number and residence differ.

    ``countries`` are ISO 3166-1 alpha-2, overseas territories their own; the first is what
    ``source`` told. ``zones`` are IANA names: something is inside hours if it is in each of them.
    """

    countries: tuple[str, ...]
    source: Source
    zones: tuple[str, ...]


@lru_cache(maxsize=4096)
def places_of(profile: Profile, *, number: str | None, default: str) -> Places:
    """Tell where somebody is: as the profile says, else the number's country, else a default.

    ``number`` is the country of the number, None where there is no number. Where it differs from
    the residence, the law of both applies; the clock is that of the residence.
    """
    zones = (profile.zone,) if profile.zone else None
    if profile.country is not None:
        countries = tuple(dict.fromkeys(filter(None, (profile.country, number))))
        return Places(countries, "profile", zones or zones_of(profile.country))
    if number is not None:
        return Places((number,), "number", zones or zones_of(number))
    return Places((default,), "default", zones or zones_of(default))


def zones_of(country: str) -> tuple[str, ...]:
    """List the zones of a country."""
    return ZONES.get(country, _NO_ZONE)
