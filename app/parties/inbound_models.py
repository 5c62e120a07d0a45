"""How a provider's events reach a channel, as the routes of channels read and write it."""

from typing import Annotated, Literal, Self

from pydantic import Field

from app.journal import MediaWords
from app.platform.wire import Answer, Flag, Json, Slug, WireModel, text

from .channels import Inbound, NewInbound

DialectWord = Literal[
    "brevo",
    "mail",
    "mailgun",
    "mailjet",
    "postmark",
    "sendgrid",
    "ses",
    "sms",
    "twilio",
]
"""What a provider may speak; the words of the dialects that read it, which lie above this room."""
Words = Annotated[str, text(1_000)]
Listed = Annotated[str, Field(max_length=1_000, pattern=r"^[^\x00]+=\s*[a-z0-9-]{1,64}\s*$")]


class OptionsIn(WireModel):
    """How the events of a door are read, as the dialects read it, which lie above this room.

    One that is misspelt is refused: a `Brand` that is not heeded silences people more widely than
    they asked.
    """

    brand: Slug | None = Field(None, description="Of all that comes; left out: every brand")
    brands: Annotated[list[Listed], Field(max_length=1_000)] | None = Field(
        None, description="By the provider's group or list, as `10=sauerkraut`"
    )
    media: MediaWords | None = Field(None, description="Of events that say none; else every medium")
    delivery_lifts_bounces: Flag | None = Field(None, description="A delivery lifts hard bounces")
    unclear: Literal["drop"] | None = Field(None, description="Texts that say neither are dropped")
    confirmation: Words | None = Field(None, description="What `twilio` answers, once a person")
    confirmation_fr: Words | None = None
    confirmation_en: Words | None = None
    stop_digits: Words | None = Field(None, description="Of `twilio`: pressed in a call")
    topic_arn: Words | Annotated[list[Words], Field(max_length=50)] | None = Field(
        None, description="Of `ses`: the topics that are listened to"
    )
    header: Words | None = Field(None, description="What holds the secret, if not Authorization")
    token: Words | None = Field(None, description="Of `sms`: the field that holds the secret")
    signature: Words | None = Field(None, description="Of `sms`: the header that holds the HMAC")
    algorithm: Literal["sha1", "sha256", "sha512"] | None = Field(None, description="Of that HMAC")
    listed: Words | None = Field(
        None, alias="list", description="Of `sms`: where the messages are listed"
    )
    sender: Words | None = Field(None, description="Of `sms`, as the next four: what names it")
    text: Words | None = None
    id: Words | None = None
    time: Words | None = None
    recipient: Words | None = None
    national: Flag | None = Field(None, description="Of `sms`: numbers without a country's code")
    every: Literal["stop"] | None = Field(None, description="Of `sms`: only stops are sent here")
    empty_reply: Flag | None = Field(None, description="Of `sms`: the answer has no body")


class InboundIn(WireModel):
    """How a provider's events reach a channel.

    `secret` is what the provider calls it: its verification key, signing key or auth token. Left
    out, the one that is set stays, unless the dialect changes.
    """

    dialect: DialectWord
    secret: Annotated[str, text(4_096)] | None = Field(
        None, repr=False, json_schema_extra={"writeOnly": True}
    )
    options: OptionsIn = OptionsIn()

    def inbound(self) -> NewInbound:
        """Read it."""
        options = self.options.model_dump(mode="json", exclude_none=True, by_alias=True)
        return NewInbound(self.dialect, options, self.secret)


class InboundOut(Answer):
    """How a provider's events reach a channel; its secret is never shown."""

    dialect: str
    options: Json
    has_secret: bool

    @classmethod
    def of(cls, inbound: Inbound) -> Self:
        """Show it."""
        return cls(
            dialect=inbound.dialect, options=dict(inbound.options), has_secret=inbound.has_secret
        )
