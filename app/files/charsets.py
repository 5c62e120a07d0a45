"""Encodings of text in files: told from the bytes alone, and read so that nothing is lost.

Detectors that go by the frequency of letters call nearly every French Windows-1252 file something
else, so this is a ladder: a byte order mark; the zeros of UTF-16; UTF-8, if it is any; and
Windows-1252, which takes every byte.
"""

import codecs
from collections.abc import Iterable, Iterator

from .bad_file import BadFile

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ZEROS_LOOKED_AT = 4_096
_MANY_ZEROS = 0.4
"""Share of the high bytes that are zero where text is Latin."""
_FEW_ZEROS = 0.02

_ERRORS = {"utf-16-le": "surrogatepass", "utf-16-be": "surrogatepass"}
"""What keeps a wrong sequence as it is; elsewhere a wrong byte becomes half a surrogate pair."""


def find_encoding(sample: bytes) -> tuple[str, bytes]:
    """Tell the encoding of a text from its beginning, and the byte order mark before it."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding, mark
    begun = sample[: _ZEROS_LOOKED_AT & ~1]
    even, odd = begun[::2].count(0), begun[1::2].count(0)
    many, few = _MANY_ZEROS * len(begun) / 2, _FEW_ZEROS * len(begun) / 2
    if odd > many and even <= few:
        return "utf-16-le", b""
    if even > many and odd <= few:
        return "utf-16-be", b""
    return ("utf-8" if _is_rather_utf8(sample) else "cp1252"), b""


def _is_rather_utf8(sample: bytes) -> bool:
    """Tell whether more letters than not read as UTF-8: one broken row makes no other encoding."""
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    wrong = sum(map(text.count, _HALVES))
    right = len(text) - wrong - sum(map(sample.count, _ASCII)) if wrong else 0
    return right >= wrong


_HALVES = [chr(0xDC00 + byte) for byte in range(0x80, 0x100)]
_ASCII = [bytes((byte,)) for byte in range(0x80)]


def decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Decode pieces cut anywhere; ``encoded`` gives the same bytes again.

    Raises:
        BadFile: the text ends in the middle of a character of UTF-16.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_errors(encoding))
    for piece in pieces:
        yield decoder.decode(piece)
    try:
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise BadFile("cut-short", "the file ends in the middle of a character") from None


def encoded(text: str, encoding: str) -> bytes:
    """Encode what ``decoded`` gave, wrong sequences included.

    A letter that the encoding lacks becomes a question mark; no text of the file holds one.
    """
    try:
        return text.encode(encoding, _errors(encoding))
    except UnicodeEncodeError:
        return b"".join(_encoded_letter(letter, encoding) for letter in text)


def _encoded_letter(letter: str, encoding: str) -> bytes:
    try:
        return letter.encode(encoding, _errors(encoding))
    except UnicodeEncodeError:
        return "?".encode(encoding)


def _errors(encoding: str) -> str:
    return _ERRORS.get(encoding, "surrogateescape")
