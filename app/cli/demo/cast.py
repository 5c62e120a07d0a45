"""Who plays: five databases of one brand, three channels, and what each is registered as."""

from dataclasses import dataclass, field
from typing import Any

import httpx

BRAND = "sauerkraut"


@dataclass(frozen=True, slots=True)
class Player:
    """A party with its prospecting database; ``phones``: it holds phone numbers too."""

    slug: str
    name: str
    kind: str
    country: str
    identifier_format: str = "plain"
    pulls: bool = False
    phones: bool = True

    @property
    def means(self) -> str:
        """Say how it is told."""
        told = "pulls" if self.pulls else "webhook"
        return f"{told}, {self.identifier_format}{'' if self.phones else ', e-mail only'}"


MARKETING = Player("marketing-fr", "Marketing, France", "department", "FR")
DAKAR = Player("call-centre-dakar", "Call centre, Dakar", "subcontractor", "SN")
TUNIS = Player("call-centre-tunis", "Call centre, Tunis", "subcontractor", "TN", "hmac-sha256")
SURVEYS = Player("surveys", "Survey provider", "supplier", "DE", "hmac-sha256")
MAILING = Player("mailing", "E-mail provider", "supplier", "IE", pulls=True, phones=False)
PLAYERS = (MARKETING, DAKAR, TUNIS, SURVEYS, MAILING)

CHANNELS = (
    ("agents-dakar", "What people tell agents in Dakar", "call_centre", DAKAR),
    ("customer-service", "What people write to customer service", "customer_service", MARKETING),
    ("web-form", "The form on the web site", "web", MARKETING),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What registering a database gave."""

    player: Player
    signing_secret: str = field(repr=False)
    key: str = field(repr=False)


def register_house(admin: httpx.Client) -> dict[str, str]:
    """Register the brand, the parties and the channels: a key for each channel, by its slug."""
    _make(admin, "brands", slug=BRAND, name="Sauerkraut")
    for player in PLAYERS:
        _make(
            admin,
            "parties",
            slug=player.slug,
            name=player.name,
            kind=player.kind,
            country=player.country,
            contact_email=f"{player.slug}@example.com",
        )
    for slug, name, kind, party in CHANNELS:
        _make(admin, "channels", slug=slug, name=name, kind=kind, party=party.slug)
    return {
        slug: make_key(admin, f"channel {slug}", "opt-outs:write", channel=slug)
        for slug, *_ in CHANNELS
    }


def register_database(admin: httpx.Client, player: Player, port: int | None) -> Told:
    """Register a player's database, told on a port of loopback unless it pulls."""
    delivery: dict[str, Any] = {"mode": "pull"}
    if port is not None:
        delivery = {"mode": "webhook", "zone": "internal", "url": f"http://127.0.0.1:{port}/"}
    made = _make(
        admin,
        "databases",
        slug=player.slug,
        name=f"{player.name}: prospects",
        party=player.slug,
        media=["voice", "sms", "messaging", "email"] if player.phones else ["email"],
        kinds=["phone", "email"] if player.phones else ["email"],
        brands=[BRAND],
        delivery=delivery | {"identifier_format": player.identifier_format},
    )
    key = make_key(admin, f"database {player.slug}", "journal:read", database=player.slug)
    return Told(player, made["signing_secret"], key)


def make_key(admin: httpx.Client, name: str, scope: str, **bound: str) -> str:
    """Make a key with one scope."""
    return str(_make(admin, "keys", name=name, scopes=[scope], **bound)["key"])


def _make(admin: httpx.Client, what: str, **document: object) -> dict[str, Any]:
    made: dict[str, Any] = admin.post(f"/v1/{what}", json=document).raise_for_status().json()
    return made
