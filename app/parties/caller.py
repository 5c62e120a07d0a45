"""Who is calling, and what that key may do."""

from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

from app.platform.problems import Problem

Scope = Literal[
    "opt-outs:write",
    "opt-outs:read",
    "reinstatements:write",
    "checks",
    "journal:read",
    "parties:read",
    "parties:write",
    "contacts:read",
    "contacts:write",
    "evidence:read",
    "admin",
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""Every scope there is; ``admin`` implies the others."""


class Unauthenticated(Problem):
    """The request carries no key, or one that is unknown, expired or revoked.

    Send `Authorization: Bearer optout_…` with a key that an administrator made.
    """

    type = "unauthenticated"
    title = "A valid key is needed"
    status = 401

    def __init__(self, detail: str, *, presented: bool = False) -> None:
        """Say what is wrong; ``presented`` tells that a key came and was refused (RFC 6750, 3)."""
        fault = ', error="invalid_token"' if presented else ""
        super().__init__(detail, headers={"WWW-Authenticate": f'Bearer realm="optout"{fault}'})


class Forbidden(Problem):
    """The key is valid and may not do this.

    It lacks the scope, or it is bound to another channel or database.
    """

    type = "forbidden"
    title = "This key may not do that"
    status = 403


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid key; ``channel`` and ``database`` are what it is bound to.

    ``key`` is the small number that rows of other rooms hold, ``id`` is what the wire shows. The
    two limits are the key's own; None: those of the settings.
    """

    key: int
    id: UUID
    name: str
    scopes: frozenset[str]
    channel: int | None = None
    database: int | None = None
    requests_per_second: int | None = None
    checks_per_day: int | None = None

    @property
    def is_admin(self) -> bool:
        """Tell whether the key may do everything, without quotas."""
        return "admin" in self.scopes

    @property
    def actor(self) -> str:
        """Name the key as the audit does."""
        return f"key:{self.id}"

    def may(self, scope: str) -> bool:
        """Tell whether the key has a scope, by itself or as an administrator."""
        return scope in self.scopes or "admin" in self.scopes

    def speak_for(self, channel: int) -> None:
        """Let only an unbound key, or the one bound to this channel, act as a channel.

        Raises:
            Forbidden: the key is bound to another one.
        """
        if self.channel not in (None, channel):
            raise Forbidden("This key is bound to another channel and may act as that one only.")
