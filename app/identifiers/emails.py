"""E-mail addresses: lower case, the domain in ASCII, and nothing else changed.

No stricter syntax than a text, an ``@`` and a domain: real people have addresses like ``a..b@``,
and no dot or plus rules: they hold at one provider and are wrong at the next.
"""

import re
from unicodedata import normalize

import idna

from .text import Unusable, require_plain

_LONGEST = 320
_LONGEST_DOMAIN = 254
"""Characters of a name with the root's dot (RFC 1035)."""

_TRIMMED = "".join(filter(str.isspace, map(chr, range(0x3001)))) + (
    "\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""White space, and what copying from a page or a file with a byte order mark leaves unseen."""

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


def normal_email(value: str) -> str:
    """Write an address in lower case (Unicode NFC), its domain in IDNA ASCII form.

    Raises:
        Unusable: it is no text, ``@`` and domain, or longer than 320 characters.
    """
    text = value.strip(_TRIMMED)
    require_plain(text)
    local, at, domain = text.rpartition("@")
    if not (local and at):
        raise Unusable("no e-mail address: no text before an @")
    normal = f"{_lower(local)}@{_ascii_domain(domain)}"
    if len(normal) > _LONGEST:
        raise Unusable(f"no e-mail address: longer than {_LONGEST} characters")
    return normal


def _lower(local: str) -> str:
    # Lower case may take a composed letter apart (İ), so it is composed again.
    return normalize("NFC", normalize("NFC", local).lower())


def _ascii_domain(domain: str) -> str:
    if not domain.isascii():
        domain = _to_ascii(domain)
    # The root's dot names the same domain.
    lower = domain.lower().removesuffix(".")
    if not _DOMAIN.fullmatch(lower):
        raise Unusable("no e-mail address: no domain after the last @")
    return lower


def _to_ascii(domain: str) -> str:
    """Encode each label by IDNA 2008, after the mapping of UTS 46 (width, case, dots)."""
    try:
        mapped = idna.uts46_remap(domain, std3_rules=False, transitional=False)
        # Encoding is slow and never shortens: what is too long stays, to be refused.
        if len(mapped) > _LONGEST_DOMAIN:
            return mapped
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode() for label in mapped.split(".")
        )
    except UnicodeError:
        raise Unusable("no e-mail address: the domain has no ASCII form") from None
