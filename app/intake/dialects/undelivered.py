"""Delivery reports (RFC 3464) that come to a mailbox: whose address takes no mail any more.

Nobody signs one, so that anybody could silence anybody's mail by it: what it says is recorded as
not verified, for e-mail alone, and a delivery that it tells of lifts nothing. Who is meant is who
was written to, not whom their server passed the mail on to. Pure.
"""

import re
from collections.abc import Iterator

from app.journal import Kind, Media

from .event import NOTHING, Act, Event, Fields
from .mime import Part, addresses_in, parts_of, read_mail, text_of
from .reading import optional

MOST_RECIPIENTS = 1_000
"""Recipients of one report that are read."""
_BLANK_LINES = re.compile(r"\r?\n(?:[ \t]*\r?\n)+")
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
_OF_THE_MAIL_OR_ITS_SENDER = ("6", "7")
"""Subjects of RFC 3463: the content, and the policy."""
_OF_THE_MOMENT = {("2", "2"), ("2", "3"), ("3", "4")}
"""A mailbox that is full, a mail that is too long for it or for its server."""


def report_in(mail: Part) -> Part | None:
    """Find the part that tells what became of a mail, if this is a report of that."""
    return next((one for one in parts_of(mail) if one.type == "message/delivery-status"), None)


def reported(mail: Part, report: Part, name: str) -> Iterator[Fields]:
    """Make an event of each recipient that a report is about; ``name`` is that of the report."""
    shared = {"kind": "delivery", "message_id": name}
    # The first group is about the mail, each further one about a recipient.
    groups = _BLANK_LINES.split(text_of(report).strip(), MOST_RECIPIENTS + 1)[1:]
    told = [read_mail(one.encode("utf-8", "replace") + b"\n\n") for one in groups]
    if len(told) > MOST_RECIPIENTS:
        yield shared | {"kind": "too-many-recipients"}
    written_to = _written_to(mail)
    only = written_to[0] if len(told) == len(written_to) == 1 else None
    for one in told[:MOST_RECIPIENTS]:
        yield shared | {
            "recipient": _address(one, "original-recipient")
            or only
            or _address(one, "final-recipient"),
            "action": one.header("action").lower()[:20],
            "status": one.header("status")[:20],
        }
    if not told:
        yield shared


def undelivered(fields: Fields) -> Event:
    """Tell what a report says of one recipient: a permanent failure of the address, or nothing."""
    if not _is_gone(fields):
        return NOTHING
    recipient = optional(fields, "recipient")
    return Event(
        Act.HARD_BOUNCE,
        [(Kind.EMAIL, recipient)] if recipient else [],
        media=Media.EMAIL,
        evidence="email",
        verified=False,
    )


def _is_gone(fields: Fields) -> bool:
    status = _STATUS.match(str(fields.get("status", "")))
    if status is None or fields.get("action") != "failed":
        return False
    about = (status[2], status[3])
    lasts = status[1] == "5" and about not in _OF_THE_MOMENT
    return lasts and about[0] not in _OF_THE_MAIL_OR_ITS_SENDER


def _written_to(mail: Part) -> list[str]:
    """List whom the mail that comes back was written to."""
    for part in parts_of(mail):
        if part.type in ("message/rfc822", "text/rfc822-headers", "message/global"):
            back = read_mail(part.body.lstrip())
            found = (one for value in back.all("to") for one in addresses_in(value))
            return list(dict.fromkeys(found))
    return []


def _address(group: Part, name: str) -> str | None:
    """Read the address behind its type: `rfc822; jo@example.com`."""
    return next(iter(addresses_in(group.header(name).partition(";")[2])), None)
