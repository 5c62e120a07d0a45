"""Numbering plans: the usual spellings of a number, read without parsing them.

A pattern per region is compiled from libphonenumber's own metadata when it is first needed. It
matches only where the steps of the library's parser lead to one answer for certain; whatever it
does not match is for the library. A test holds both to the same answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import PhoneMetadata

SEPARATORS = dict.fromkeys(map(ord, " \t.-/()\xa0\u202f"))
"""What stands between digits and says nothing, for the parser as for us."""

LONGEST = 100
"""Characters of a text that may be read here; longer ones are refused elsewhere."""

_OWN_REGION = "001"
"""The region of country codes that belong to no country."""

_FEWEST = 4
"""Digits below which the parser has rules of its own."""

_NEVER = "(?!)"
"""A pattern that matches nothing."""

_GROUP = re.compile(r"(?<!\\)\((?!\?)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the numbers of one region are usually written; ``code`` is ``+33``.

    ``usual`` matches any line; its one group is the national significant number of one without
    ``SEPARATORS`` in national form, or for the main region of a country code in international
    form, and empty for all other lines. ``abroad`` is what is dialled before a country code.
    """

    code: str
    usual: re.Pattern[str]
    abroad: re.Pattern[str]

    def read(self, text: str) -> str | None:
        """Give the national significant number of a text, None if it is not decided here."""
        found = self.usual.fullmatch(text)
        return found[1] if found else None

    def read_lines(self, lines: str) -> list[str]:
        """Do the same for each line of a text, empty where it is not decided here."""
        found: list[str] = self.usual.findall(lines)
        return found


@cache
def plan_of(region: str) -> Plan | None:
    """Compile the plan of a region; None for one that has none."""
    own = PhoneMetadata.metadata_for_region(region, None)
    code = str(own.country_code) if own else ""
    main_region = _MAIN_REGIONS.get(code)
    main = PhoneMetadata.metadata_for_region(main_region, None) if main_region else None
    if own is None or main is None:
        return None
    abroad = _plain(own.international_prefix) or _NEVER
    usual = _usual(
        code,
        abroad,
        national=_national(own, main),
        general=_general(own),
        prefix=_prefix(own),
        is_main=own.id == main.id,
    )
    flags = re.ASCII | re.MULTILINE
    return Plan(f"+{code}", re.compile(usual, flags), re.compile(abroad, flags))


def plan_abroad(text: str) -> Plan | None:
    """Find the plan of a number in international form, by its country code."""
    for end in (2, 3, 4):
        region = _MAIN_REGIONS.get(text[1:end])
        if region is not None:
            return plan_of(region)
    return None


_MAIN_REGIONS = {
    str(code): regions[0]
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    if regions[0] != _OWN_REGION
}


def _usual(
    code: str, abroad: str, *, national: str, general: str, prefix: str, is_main: bool
) -> str:
    """Write the pattern: what may stand before a national significant number, and that number.

    Each way is enough by itself, so it does not matter which of them is tried first.
    """
    # A number that begins with the country code is taken for a national one only if it looks so.
    ways = [f"(?!{abroad})(?!{code}){prefix}", f"(?!{abroad})(?!(?:{general})$){code}"]
    ways.append(f"(?!{abroad})")
    if is_main:
        ways.append(rf"(?:\+|(?>{abroad})){code}{prefix}?")
    return f"^(?:(?:{'|'.join(ways)})({national})|.*)$"


def _national(own: PhoneMetadata, main: PhoneMetadata) -> str:
    """Match a national significant number of which the parser would take nothing away.

    It has a possible length, begins with no national prefix and looks like a number of its
    region; then it is usable, be it valid or not.
    """
    lengths = sorted(set(_lengths(own)) & set(_lengths(main)))
    prefixes = {
        own.national_prefix_for_parsing,
        main.national_prefix_for_parsing,
        phonenumbers.ndd_prefix_for_region(main.id, strip_non_digits=True),
    }
    begins_with_none = "".join(f"(?!{_plain(one)})" for one in sorted(filter(None, prefixes)))
    possible = "|".join(rf"\d{{{length}}}$" for length in lengths) or _NEVER
    return f"{begins_with_none}(?={possible})(?:{_general(own)})"


def _prefix(metadata: PhoneMetadata) -> str:
    """Match what is dialled before a national number, where it is simply taken away."""
    prefix = _plain(metadata.national_prefix_for_parsing)
    if not prefix or metadata.national_prefix_transform_rule:
        return _NEVER
    return f"(?>{prefix})"


def _general(metadata: PhoneMetadata) -> str:
    """Match what looks like a national significant number."""
    about = metadata.general_desc
    return _plain(about.national_number_pattern if about else None) or _NEVER


def _lengths(metadata: PhoneMetadata) -> Sequence[int]:
    possible = metadata.general_desc.possible_length if metadata.general_desc else ()
    return [one for one in possible if one >= _FEWEST]


def _plain(pattern: str | None) -> str:
    """Make the groups of a pattern groups that are not captured."""
    return _GROUP.sub("(?:", pattern or "")
