"""Twilio: messages that people send to a number of ours, and keys that they press in a call.

Signed over the address and the fields (X-Twilio-Signature), with no time in it: what comes again
is known by its id. https://www.twilio.com/docs/usage/security,
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from xml.sax.saxutils import escape

from .event import (
    Dialect,
    Event,
    Fields,
    NotGenuine,
    Options,
    Reply,
    Request,
    Taken,
    Unreadable,
)
from .reading import kept, optional, text
from .texting import LONGEST, said

_KEPT = (
    "MessageSid",
    "CallSid",
    "From",
    "To",
    "Direction",
    "Body",
    "OptOutType",
    "Digits",
    "SpeechResult",
)
_MOST_BYTES = 262_144
_MOST_FIELDS = 1_000
_PORTS = {"https": 443, "http": 80}
_STOP_DIGITS = "9"
_WORDS = ("Body", "SpeechResult")


def _verify(request: Request, secret: str, _options: Options, _at: datetime) -> None:
    given = request.header("x-twilio-signature")
    if not given:
        raise NotGenuine("no-signature")
    fields = _form(request)
    # Twilio signs the address with or without its usual port.
    wanted = [_signature(secret, url, fields) for url in _spellings(request.url)]
    offered = given.encode("utf-8", "surrogatepass")
    if not any(hmac.compare_digest(offered, one) for one in wanted):
        raise NotGenuine("bad-signature")


def _signature(secret: str, url: str, fields: Sequence[tuple[str, str]]) -> bytes:
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.digest(secret.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return b64encode(mac)


def _spellings(url: str) -> list[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS.get(parts.scheme, 443)
    named = [f"{host}:{port}", host]
    return [url, *(urlunsplit(parts._replace(netloc=one)) for one in named)]


def _form(request: Request) -> list[tuple[str, str]]:
    try:
        body = request.body.decode("utf-8")
        return parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise NotGenuine("bad-signature") from None


def _split(request: Request, _options: Options) -> Sequence[Fields]:
    fields = kept(dict(_form(request)), *_KEPT)
    return [fields | {name: fields[name][:LONGEST] for name in _WORDS if name in fields}]


def _translate(fields: Fields, options: Options) -> Event:
    if "MessageSid" in fields:
        return _message(fields, options)
    if "CallSid" in fields:
        return _call(fields, options)
    raise Unreadable("no-messagesid")


def _message(fields: Fields, options: Options) -> Event:
    # What the account calls a STOP is one, whatever words its owner has put there.
    words = {"STOP": "STOP", "START": "START", "HELP": ""}.get(str(fields.get("OptOutType")))
    wrote = optional(fields, "Body") or "" if words is None else words
    event = said(
        wrote,
        _number(text(fields, "From")),
        id=text(fields, "MessageSid"),
        recipient=_number(optional(fields, "To") or ""),
        options=options,
    )
    # An account that knows the word has answered it already.
    return replace(event, confirms=words is None and event.act.reason is not None)


def _call(fields: Fields, options: Options) -> Event:
    """Read what was pressed or spoken; a call that has just begun says nothing yet."""
    us, person = "To", "From"
    if str(fields.get("Direction", "")).startswith("outbound"):
        us, person = person, us
    pressed = optional(fields, "Digits")
    if pressed is not None:
        stop = pressed == str(options.get("stop_digits", _STOP_DIGITS))
        words = "STOP" if stop else ""
    else:
        words = optional(fields, "SpeechResult") or ""
    event = said(
        words,
        _number(text(fields, person)),
        id=f"{text(fields, 'CallSid')} {pressed or words}",
        recipient=_number(optional(fields, us) or ""),
        options=options,
    )
    return replace(event, evidence="other", confirms=event.act.reason is not None)


def _number(address: str) -> str:
    """Take the number out of an address of WhatsApp or RCS (`whatsapp:+33…`)."""
    return address.rpartition(":")[2]


def _reply(taken: Sequence[Taken], _options: Options) -> Reply:
    """Answer in TwiML: the confirmation where one is due, else nothing."""
    inner = ""
    for one in taken:
        if one.confirmation and one.event is not None:
            verb = "Message" if one.event.evidence == "sms" else "Say"
            inner = f"<{verb}>{escape(one.confirmation)}</{verb}>"
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'
    return Reply(body.encode("utf-8", "replace"), "text/xml")


DIALECT = Dialect(_verify, _split, _translate, reply=_reply, most_bytes=_MOST_BYTES)
