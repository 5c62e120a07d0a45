"""Mail cut into its parts (RFC 5322, RFC 2045), in time and memory that its size bounds. Pure.

Not the standard library's parser: it costs the depth of the nesting times the lines, and raises on
some headers. Here nothing raises, and what is deeper or more than a person's program writes is
left unread.
"""

import quopri
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_LONGEST_HEAD = 262_144
_LONGEST_HEADER = 20_000
_MOST_HEADERS = 2_000
_MOST_PARTS = 100
_DEEPEST = 8
_ASCII = 128
LONGEST_TEXT = 200_000
"""Bytes of one part that are decoded as text."""
UNREAD = "multipart/unread"
"""The type of what lies too deep, or behind too many parts."""

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_ENCODED_WORD = re.compile(
    r"=\?([\w-]{1,40})(?:\*[\w-]*)?\?([bq])\?([^?\s]{0,400})\?=", re.IGNORECASE
)
_BETWEEN_WORDS = re.compile(r"\?=\s+=\?")
_ADDRESS = re.compile(r"""[^\s<>"(),:;\[\]\\]{1,64}@[^\s<>"(),:;\[\]\\@]{1,255}""")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_CHARSETS = re.compile(
    r"utf-?(8|16|32)(-?[lb]e)?|(us-)?ascii|iso-?8859-?\d\d?|latin-?\d|windows-?125\d|cp125\d"
    r"|macintosh|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-(jp|kr)|iso-2022-jp",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a mail, or the whole of it; header names in lower case, each with its values."""

    headers: Mapping[str, Sequence[str]] = field(repr=False)
    body: bytes = field(repr=False)

    def all(self, name: str) -> Sequence[str]:
        """Give every value of a header."""
        return self.headers.get(name, ())

    def header(self, name: str) -> str:
        """Give the first value of a header, empty if it is missing."""
        return next(iter(self.all(name)), "")

    @property
    def type(self) -> str:
        """Tell the media type, that of plain text where it is missing (RFC 2045 5.2)."""
        return self.header("content-type").partition(";")[0].strip().lower() or "text/plain"

    @property
    def is_attached(self) -> bool:
        """Tell whether it is a file beside the letter."""
        return self.header("content-disposition").lower().lstrip().startswith("attachment")

    def parameter(self, name: str) -> str:
        """Give a parameter of the content type, empty if it is missing."""
        found = re.search(
            rf';\s*{name}\s*=\s*(?:"([^"]*)"|([^\s;"]+))',
            self.header("content-type"),
            re.IGNORECASE,
        )
        return (found[1] or found[2] or "") if found else ""


def read_mail(raw: bytes) -> Part:
    """Read the headers of a mail; a line that mail folders put before them is left out."""
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    return _part(raw)


def parts_of(part: Part, depth: int = 0) -> Iterator[Part]:
    """List the parts that hold something, in their order; forwarded mails are not looked into.

    What lies too deep, or behind too many others, is one part of type ``UNREAD``.
    """
    boundary = part.parameter("boundary").encode("utf-8", "surrogateescape")
    if not part.type.startswith("multipart/") or not boundary:
        yield part
        return
    pieces = (b"\n" + part.body).split(b"\n--" + boundary, _MOST_PARTS)
    if depth >= _DEEPEST or len(pieces) > _MOST_PARTS:
        yield Part({"content-type": [UNREAD]}, b"")
        return
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        yield from parts_of(_part(piece.partition(b"\n")[2]), depth + 1)


def text_of(part: Part) -> str:
    """Decode the text of a part, as far as ``LONGEST_TEXT``; a wrong charset never matters."""
    return _decoded(_unpacked(part), part.parameter("charset"))


def addresses_in(value: str) -> list[str]:
    """Find the addresses of a header: those in angle brackets, else those that stand alone."""
    plain = _QUOTED.sub(" ", value)
    bracketed = [one for part in plain.split("<")[1:] for one in [part.partition(">")[0].strip()]]
    found = [one for one in bracketed if _ADDRESS.fullmatch(one)]
    return found or _ADDRESS.findall(plain)


def _unpacked(part: Part) -> bytes:
    packed = part.body[:LONGEST_TEXT]
    match part.header("content-transfer-encoding").strip().lower():
        case "base64":
            return _from_base64(packed)
        case "quoted-printable":
            return quopri.decodestring(packed)
    return packed


def _from_base64(packed: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", packed)
    try:
        return b64decode(letters[: len(letters) // 4 * 4] + _rest(letters))
    except NotBase64:
        return b""


def _rest(letters: bytes) -> bytes:
    left = letters[len(letters) // 4 * 4 :]
    return left.ljust(4, b"=") if len(left) > 1 else b""


def _part(raw: bytes) -> Part:
    if raw.startswith((b"\n", b"\r\n")):
        return Part({}, raw)
    end = _BLANK_LINE.search(raw, 0, _LONGEST_HEAD)
    head = raw[: end.start() if end else _LONGEST_HEAD]
    headers: dict[str, list[str]] = {}
    for line in _FOLDED.sub(b" ", head).splitlines()[:_MOST_HEADERS]:
        name, colon, value = line.partition(b":")
        if colon:
            plain = _decoded(value[:_LONGEST_HEADER], "").strip()
            headers.setdefault(_decoded(name, "").strip().lower(), []).append(_in_words(plain))
    return Part(headers, raw[end.end() :] if end else b"")


def _in_words(value: str) -> str:
    """Decode the words of a header that are not ASCII (RFC 2047)."""
    if "=?" not in value:
        return value
    return _ENCODED_WORD.sub(_word, _BETWEEN_WORDS.sub("?==?", value))


def _word(found: re.Match[str]) -> str:
    charset, how, said = found[1], found[2].lower(), found[3].encode("utf-8", "replace")
    if how == "b":
        return _decoded(_from_base64(said), charset)
    return _decoded(quopri.decodestring(said, header=True), charset)


def _decoded(value: bytes, charset: str) -> str:
    """Decode as it is said, else as UTF-8 where most of it is, else as what is usual without."""
    for name in (charset, "utf-8"):
        if _CHARSETS.fullmatch(name):
            try:
                return value.decode(name)
            except (LookupError, UnicodeError):
                continue
    loose = value.decode("utf-8", "replace")
    beyond_ascii = sum(byte >= _ASCII for byte in value)
    return loose if loose.count("\ufffd") * 2 <= beyond_ascii else value.decode("cp1252", "replace")
