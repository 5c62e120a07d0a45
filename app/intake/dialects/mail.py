"""Mail itself, raw (RFC 5322), one a request: complaint reports, unsubscribes, people's letters.

Whoever hands it over signs by Standard Webhooks, as `optout inbound mail` does. A complaint is a
report of RFC 5965, a bounce one of RFC 3464; an unsubscribe carries a token of ours, or the word
alone; what else a person writes is read, and what is not surely an objection is one until somebody
has looked; what says nothing that we know is listed, unless the option `unclear` is `drop`. The
time that a mail bears is its sender's word: it counts from when it arrives.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from secrets import token_hex

from app.intake.wording import Says, read_wording
from app.journal import Kind, Media

from .event import (
    NOTHING,
    Act,
    Contact,
    Dialect,
    Event,
    Fields,
    NotGenuine,
    Options,
    Request,
    Unreadable,
)
from .letters import new_text
from .mime import Part, addresses_in, parts_of, read_mail, text_of
from .reading import epoch, optional, require_fresh
from .undelivered import MOST_RECIPIENTS, report_in, reported, undelivered

_FRESH = timedelta(minutes=5)
MOST_BYTES = 33_554_432
_MOST_TOKENS = 3
_MOST_PHONES = 5
_EXCERPT = 500
_SIGNATURES = 10
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{60,4096}(?![A-Za-z0-9_-])")
_CLICK = re.compile(r"/u/([A-Za-z0-9_-]{40,16384})")
_ANSWER = re.compile(r"\s*(re|aw|tr|fwd?|sv|antw|rép)\s*(\[\d+\])?\s*:", re.IGNORECASE)
_PHONE = re.compile(r"(?<![\w+])(?:\+|00|0)\d(?:[ .()/-]{0,2}\d){7,13}(?!\w)")
_HARMLESS_REPORTS = {"not-spam", "auth-failure", "virus"}
_BULK = {"bulk", "list", "junk", "auto_reply"}
_OF_MACHINES = ("list-id", "list-unsubscribe", "x-autoreply")
_STRONGEST = (Says.STOP, Says.STOP_IN_OTHER_WORDS, Says.START, Says.NOTHING)


def sign_mail(secret: str, number: str, body: bytes, at: datetime) -> dict[str, str]:
    """Sign a mail to be handed over; ``number`` names the handing over, not the mail."""
    sent_at = str(int(at.timestamp()))
    signature = _signature(secret, number, sent_at, body).decode()
    return {
        "webhook-id": number,
        "webhook-timestamp": sent_at,
        "webhook-signature": signature,
    }


def _verify(request: Request, secret: str, _options: Options, at: datetime) -> None:
    """Check a signature of Standard Webhooks 1.0; the secret is `whsec_` and base64, or a text."""
    number, sent_at = request.header("webhook-id"), request.header("webhook-timestamp")
    given = request.header("webhook-signature").split(" ")
    if not number or not sent_at.isascii() or not sent_at.isdecimal() or not given[0]:
        raise NotGenuine("no-signature")
    require_fresh(epoch({"at": sent_at[:12]}, "at"), at, most=_FRESH)
    wanted = _signature(secret, number, sent_at, request.body)
    if not any(
        hmac.compare_digest(one.encode("utf-8", "surrogatepass"), wanted)
        for one in given[:_SIGNATURES]
    ):
        raise NotGenuine("bad-signature")


def _signature(secret: str, number: str, sent_at: str, body: bytes) -> bytes:
    head = f"{number}.{sent_at}.".encode("utf-8", "surrogatepass")
    mac = hmac.new(_key(secret), head, hashlib.sha256)
    mac.update(body)
    return b"v1," + b64encode(mac.digest())


def _key(secret: str) -> bytes:
    try:
        return b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return secret.encode()


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    mail = read_mail(request.body)
    complaint = _complaint_in(mail)
    if complaint is not None:
        return list(_complaints(mail, complaint))
    report = report_in(mail)
    if report is not None:
        return list(reported(mail, report, _name_of(mail)))
    return [_letter(mail)]


def _complaint_in(mail: Part) -> Part | None:
    """Find the part that tells of a complaint, if the mail is a report of one."""
    return next((one for one in parts_of(mail) if one.type == "message/feedback-report"), None)


def _complaints(mail: Part, report: Part) -> Iterator[Fields]:
    """Make an event of each recipient who complains; redacted ones are known by our token."""
    said = read_mail(text_of(report).encode("utf-8", "replace").lstrip() + b"\n\n")
    about = next(
        (
            read_mail(part.body.lstrip())
            for part in parts_of(mail)
            if part.type in ("message/rfc822", "text/rfc822-headers")
        ),
        Part({}, b""),
    )
    shared = {
        "kind": "complaint",
        "type": said.header("feedback-type").lower()[:40],
        "message_id": _name_of(mail),
    }
    links = " ".join(about.all("list-unsubscribe"))
    tokens = list(dict.fromkeys(_CLICK.findall(links)))[:_MOST_TOKENS]
    values = said.all("original-rcpt-to") or about.all("to")
    people = dict.fromkeys(one for value in values for one in addresses_in(value))
    named = [one for one in people if "redacted" not in one.lower()]
    if len(named) > MOST_RECIPIENTS:
        yield shared | {"kind": "too-many-recipients"}
    if tokens or not named:
        yield shared | {"tokens": tokens}
    for one in named[:MOST_RECIPIENTS]:
        yield shared | {"recipient": one}


def _letter(mail: Part) -> Fields:
    """Read a mail of a person: what is new in it, and what it says."""
    subject = mail.header("subject")[:200]
    wrote = new_text(mail)
    readings = [read_wording(wrote.text)]
    if not _ANSWER.match(subject):
        readings.append(read_wording(subject))
    own = [mail.header(name) for name in ("delivered-to", "x-original-to", "to")]
    ours = next((one for value in own for one in addresses_in(value)), None)
    says = min((one.says for one in readings), key=_STRONGEST.index)
    return {
        "kind": "letter",
        "from": next(iter(addresses_in(mail.header("from"))), ""),
        "to": ours and ours.lower(),
        "tokens": _TOKEN.findall(" ".join([subject, *own])[:20_000])[:_MOST_TOKENS],
        "subject": subject,
        "text": wrote.text[:_EXCERPT],
        "says": says.value,
        "language": next((one.language for one in readings if one.says is says), None),
        "whole": wrote.whole and all(one.whole for one in readings),
        "phones": list(dict.fromkeys(_PHONE.findall(wrote.text[:20_000])))[:_MOST_PHONES],
        "automatic": _is_automatic(mail),
        "message_id": _name_of(mail),
    }


def _name_of(mail: Part) -> str:
    """Name a mail by its own id; one without is a new one whenever it comes."""
    return mail.header("message-id")[:300] or token_hex(16)


def _is_automatic(mail: Part) -> bool:
    """Tell whether a machine wrote: an absence (RFC 3834), a bounce, a list that one may leave."""
    submitted = mail.header("auto-submitted").partition(";")[0].strip().lower()
    return (
        mail.type == "multipart/report"
        or submitted not in ("", "no")
        or mail.header("precedence").lower() in _BULK
        or any(mail.header(name) for name in _OF_MACHINES)
    )


def _translate(fields: Fields, options: Options) -> Event:
    if fields["kind"] == "delivery":
        return undelivered(fields)
    if fields["kind"] != "letter":
        return _complaint(fields)
    tokens = [str(one) for one in fields["tokens"]]
    says = min(Says(fields["says"]), read_wording(fields["text"]).says, key=_STRONGEST.index)
    heard = says is not Says.NOTHING or not fields["whole"]
    # What a mail program sends for a click on "unsubscribe" says nothing but that.
    if not tokens and fields["automatic"] and says is not Says.STOP:
        return NOTHING
    if not tokens and not heard:
        return _unclear(fields, options)
    if tokens and says in (Says.STOP, Says.NOTHING):
        act, review = Act.UNSUBSCRIBE, False
    elif says is Says.START:
        act, review = Act.REQUEST, True
    else:
        act, review = Act.OBJECTION, says is not Says.STOP
    return Event(
        act,
        _people(fields),
        brand_hint=optional(fields, "to"),
        review=review,
        evidence="email",
        tokens=tokens,
        language=optional(fields, "language"),
        # Anybody can write anybody's address as the sender's.
        verified=bool(tokens),
    )


def _unclear(fields: Fields, options: Options) -> Event:
    """List a letter that says nothing that we know, unless the channel's options drop it."""
    if options.get("unclear") == "drop":
        return NOTHING
    people = _people(fields)
    return Event(Act.UNCLEAR, people, review=True, evidence="email", verified=False)


def _complaint(fields: Fields) -> Event:
    if fields["kind"] != "complaint":
        raise Unreadable("too-many-recipients")
    if fields["type"] in _HARMLESS_REPORTS:
        return NOTHING
    recipient = optional(fields, "recipient")
    return Event(
        Act.COMPLAINT,
        [(Kind.EMAIL, recipient)] if recipient else [],
        media=Media.EMAIL,
        evidence="email",
        tokens=[str(one) for one in fields.get("tokens", ())],
    )


def _people(fields: Fields) -> list[Contact]:
    phones = [(Kind.PHONE, str(one)) for one in fields["phones"]]
    sender = optional(fields, "from")
    return ([(Kind.EMAIL, sender)] if sender else []) + phones


DIALECT = Dialect(_verify, _split, _translate, most_bytes=MOST_BYTES)
