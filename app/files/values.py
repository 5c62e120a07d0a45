"""Values as cells hold them, without what spreadsheets, copying and broken rows put around them."""

import re

_AROUND = " \t\r\n\v\f\u00a0\u2007\u202f\u200b\u200e\u200f\u202a\u202c\u2060\ufeff"
"""White space, and what cannot be seen."""
_FORMULA = re.compile(r"=\s*([\"'])(.*)\1", re.DOTALL)
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?E[+-]?[0-9]+", re.IGNORECASE)
_FLOAT = re.compile(r"(\+?[0-9]{6,15})[.,]0+")
_WRONG_BYTES = re.compile("[\udc80-\udcff]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class BadValue(ValueError):  # noqa: N818 - it says what the value is
    """A cell that cannot be read as what it should be: a stable code, and never the cell."""

    def __init__(self, code: str) -> None:
        """Name the fault: ``scientific_notation``, ``ambiguous_date`` and so on."""
        super().__init__(code)
        self.code = code


def clean(cell: str) -> str:
    """Take off what stands around a value: spaces, a leading apostrophe, ``="…"``.

    Single bytes of Windows-1252 in a text of UTF-8 are read as such.
    """
    if not cell.isascii():
        cell = repaired(cell)
    text = cell.strip(_AROUND)
    if text[:1] == "=" and (formula := _FORMULA.fullmatch(text)):
        text = formula[2].strip(_AROUND)
    if text[:1] == "'":
        text = text[1:].strip(_AROUND)
    return text


def phone_text(cell: str, *, area_code: str = "") -> str:
    """Read a cell as the text of a phone number, for ``identifiers.normalise``.

    ``area_code`` is the cell before it, where the two are one number. Digits that a spreadsheet
    wrote as a decimal (``612345678.0``) lose that.

    Raises:
        BadValue: ``scientific_notation``: digits of the number are lost.
    """
    text = clean(cell)
    if _SCIENTIFIC.fullmatch(text):
        raise BadValue("scientific_notation")
    if decimal := _FLOAT.fullmatch(text):
        text = decimal[1]
    return clean(area_code) + text if area_code else text


def plain_text(cell: str) -> str:
    """Read a cell as text to be kept.

    Raises:
        BadValue: ``not_text``: there are control characters, or bytes that are no letter.
    """
    text = clean(cell)
    if _CONTROLS.search(text):
        raise BadValue("not_text")
    return text


def repaired(cell: str) -> str:
    """Read the bytes in a text that are no UTF-8 as Windows-1252."""
    return _WRONG_BYTES.sub(_letter, cell)


def _letter(wrong: re.Match[str]) -> str:
    byte = wrong[0].encode("utf-8", "surrogateescape")
    return byte.decode("cp1252", "surrogateescape")
