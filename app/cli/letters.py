"""``optout inbound mail``: where a mail server's pipe ends."""

import sys
from typing import Annotated
from uuid import uuid4

import typer

from app.intake import MOST_MAIL_BYTES, sign_mail
from app.platform.clock import now
from app.settings import read_settings

from .remote import NoAnswer, Refused, Url, connected
from .root import REFUSED, AsJson, fail, print_json

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the mail server keeps the mail, and runs the command again."""

_SECONDS = 60
_NEVER = (413, 422)
"""Answers that the same mail will get whenever it comes."""

PIPE = (
    "In a pipe of the mail server: exit status 0 when it is recorded, 75 for it to try again "
    "later, 1 when it never will be."
)


def hand_over(
    *,
    channel: Annotated[str, typer.Option(help="The channel that it came to.")],
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand the mail on standard input over, signed with OPTOUT_INBOUND_SECRET."""
    settings = read_settings()
    if settings.inbound_secret is None:
        raise typer.BadParameter("the channel's secret is needed: OPTOUT_INBOUND_SECRET")
    mail = sys.stdin.buffer.read(MOST_MAIL_BYTES + 1)
    if len(mail) > MOST_MAIL_BYTES:
        fail(f"The mail is longer than {MOST_MAIL_BYTES:,} bytes.", REFUSED)
    secret = settings.inbound_secret.get_secret_value()
    signed = sign_mail(secret, str(uuid4()), mail, now())
    try:
        with connected(url or settings.url, signed, seconds=_SECONDS) as registry:
            counts = registry.hand_over(f"/v1/inbound/mail/{channel}", mail)
    except Refused as refused:
        fail(str(refused), REFUSED if refused.document.get("status") in _NEVER else TRY_AGAIN)
    except NoAnswer as failed:
        fail(str(failed), TRY_AGAIN)
    if as_json:
        print_json(counts)
