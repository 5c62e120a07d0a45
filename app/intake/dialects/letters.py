"""What of a mail somebody wrote just now: without what they answer, their signature, the markup.

A footer that is quoted ("to unsubscribe …") says nothing of who quotes it. Pure, and linear in the
length of the text.
"""

import html
import re
from dataclasses import dataclass, field

from .mime import LONGEST_TEXT, UNREAD, Part, parts_of, text_of

_MOST_TEXTS = 5
_WROTE = re.compile(
    r"(?=.{0,200}\d)(on|le|am|el|il|op|em)\b.{4,300}"
    r"(wrote|a écrit|schrieb|escribió|ha scritto|schreef|escreveu)\s?:",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"-{2,}\s*(original message|message d.origine|message transféré|forwarded message"
    r"|ursprüngliche nachricht)\s*-{2,}|begin forwarded message:",
    re.IGNORECASE,
)
_FROM_LINE = re.compile(r"\*?(from|de|von|expéditeur)\s?:", re.IGNORECASE)
_NEXT_LINE = re.compile(r"\*?(sent|date|to|envoyé|à|objet|subject|gesendet|an)\b.*:", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h\d)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_BLANKS = re.compile(r"[^\S\n]+")
_QUOTES_FROM = (
    'class="gmail_quote',
    'class="yahoo_quoted',
    'class="moz-cite-prefix',
    'id="divrplyfwdmsg',
    'id="appendonsend',
    'id="reply-intro',
)
_UNREAD = (("<!--", "-->"), ("<style", "</style>"), ("<script", "</script>"), ("<head", "</head>"))


@dataclass(frozen=True, slots=True)
class Wrote:
    """What somebody wrote; ``whole`` is false where more may stand in what was not read."""

    text: str = field(repr=False)
    whole: bool


def new_text(mail: Part) -> Wrote:
    """Tell what the sender of a mail wrote, in plain words if it comes in plain words."""
    shown = [part for part in parts_of(mail) if not part.is_attached]
    texts = [part for part in shown if part.type == "text/plain" and part.body.strip()]
    if texts:
        written = [without_quotes(text_of(part)) for part in texts[:_MOST_TEXTS]]
    else:
        texts = [part for part in shown if part.type == "text/html"]
        pages = [_without_markup(text_of(part)) for part in texts[:_MOST_TEXTS]]
        written = [without_quotes(page) for page in pages]
    whole = (
        len(texts) <= _MOST_TEXTS
        and all(len(part.body) <= LONGEST_TEXT for part in texts)
        and all(part.type != UNREAD for part in shown)
    )
    return Wrote("\n".join(written).strip(), whole)


def without_quotes(text: str) -> str:
    """Leave out the lines that are answered, and the signature."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = []
    for number, line in enumerate(lines):
        here = line.strip()
        if here.startswith((">", "|>")):
            continue
        if here == "--" or (here and _begins_answered(lines, number)):
            if _quoted_below(lines, number):
                continue
            break
        kept.append(line)
    return "\n".join(kept)


def _begins_answered(lines: list[str], number: int) -> bool:
    here = lines[number].strip()
    following = " ".join(line.strip() for line in lines[number : number + 3])[:400]
    if _FORWARDED.match(here) or _WROTE.match(following):
        return True
    below = next((line.strip() for line in lines[number + 1 : number + 3] if line.strip()), "")
    return bool(_FROM_LINE.match(here) and _NEXT_LINE.match(below))


def _quoted_below(lines: list[str], number: int) -> bool:
    """Tell whether the answered lines are marked one by one: what follows them is new again."""
    return any(line.lstrip().startswith(">") for line in lines[number + 1 : number + 5])


def _without_markup(marked: str) -> str:
    """Write a page as text, without what it quotes."""
    # The one letter that grows when it is written small, which would move every place after it.
    marked = marked.replace("\u0130", "I")
    low = marked.lower()
    cut = min((at for mark in _QUOTES_FROM if (at := low.find(mark)) >= 0), default=len(marked))
    marked = marked[: marked.rfind("<", 0, cut)] if cut < len(marked) else marked
    for begin, end in _UNREAD:
        marked = _without(marked, begin, end)
    opened = marked.lower().find("<blockquote")
    closed = marked.lower().rfind("</blockquote")
    if opened >= 0:
        marked = marked[:opened] + (marked[closed:] if closed > opened else "")
    # Line ends in a page are blanks; those that it shows are tags.
    broken = _BREAK.sub("\n", marked.replace("\r", " ").replace("\n", " "))
    text = html.unescape(_TAG.sub("", broken))
    return "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split("\n"))


def _without(marked: str, begin: str, end: str) -> str:
    low, kept, at = marked.lower(), [], 0
    while (opened := low.find(begin, at)) >= 0:
        kept.append(marked[at:opened])
        closed = low.find(end, opened)
        if closed < 0:
            return "".join(kept)
        at = closed + len(end)
    return "".join([*kept, marked[at:]])
