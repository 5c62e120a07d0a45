"""What a text message or a call says, whoever brings it: one reading for every provider. Pure."""

from app.intake.wording import Says, read_wording
from app.journal import Kind

from .event import NOTHING, Act, Event, Options

LONGEST = 1_600
"""Characters of a message that are kept, sealed: as many as providers let through."""


def said(
    text: str,
    sender: str,
    *,
    id: str | None,  # noqa: A002 - the event's own word
    recipient: str | None,
    options: Options,
) -> Event:
    """Tell what a message asks of us; ``recipient`` is the number written to, a brand's own.

    What says nothing that we know is listed, unless the option ``unclear`` is ``drop``.
    """
    reading = read_wording(text)
    match reading.says:
        case Says.STOP:
            act, review = Act.STOP_KEYWORD, False
        case Says.STOP_IN_OTHER_WORDS:
            act, review = Act.OBJECTION, True
        case Says.START:
            act, review = Act.REQUEST, True
        case Says.NOTHING if text.strip() and options.get("unclear") != "drop":
            act, review = Act.UNCLEAR, True
        case Says.NOTHING:
            return NOTHING
    return Event(
        act,
        [(Kind.PHONE, sender)],
        id=id,
        brand_hint=recipient,
        review=review,
        evidence="sms",
        language=reading.language,
    )
