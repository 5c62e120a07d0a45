"""How providers speak: one pure file each, which translates their shape to ours.

A new one is a file with a ``DIALECT`` (see ``event.Dialect``) and a line in ``DIALECTS``.
"""

from collections.abc import Mapping

from . import brevo, mail, mailgun, mailjet, postmark, sendgrid, ses, sms, twilio
from .event import (
    MISREAD,
    Act,
    Contact,
    Dialect,
    Event,
    Fields,
    NotGenuine,
    Options,
    Outcome,
    Reply,
    Request,
    Taken,
    Unreadable,
)
from .mail import MOST_BYTES as MOST_MAIL_BYTES
from .mail import sign_mail

DIALECTS: Mapping[str, Dialect] = {
    "brevo": brevo.DIALECT,
    "mail": mail.DIALECT,
    "mailgun": mailgun.DIALECT,
    "mailjet": mailjet.DIALECT,
    "postmark": postmark.DIALECT,
    "sendgrid": sendgrid.DIALECT,
    "ses": ses.DIALECT,
    "sms": sms.DIALECT,
    "twilio": twilio.DIALECT,
}
"""By the word that stands in ``POST /v1/inbound/{dialect}/{channel}``."""

__all__ = [
    "DIALECTS",
    "MISREAD",
    "MOST_MAIL_BYTES",
    "Act",
    "Contact",
    "Dialect",
    "Event",
    "Fields",
    "NotGenuine",
    "Options",
    "Outcome",
    "Reply",
    "Request",
    "Taken",
    "Unreadable",
    "sign_mail",
]
