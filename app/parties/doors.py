"""What routes of every room ask for: who calls, what for, the quotas, the directory.

All of it is ``async`` without awaiting anything: FastAPI sends plain functions to a thread, which
was measured to cost a check three quarters of its speed.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Security

from app.platform.clock import now
from app.platform.vault import Vault
from app.platform.web import KeyScheme, refuse_query

from .access import Access
from .caller import Caller, Forbidden, Scope, Unauthenticated
from .directory import Directory
from .quotas import Quotas
from .reads import Reads


class _Door(KeyScheme):
    """Lets in callers whose key has all of some scopes, and no parameters that go unheeded."""

    def __init__(self, scopes: tuple[Scope, ...]) -> None:
        self.scopes = scopes

    async def __call__(self, request: Request) -> Caller:
        caller = await access_of(request).authenticate(_presented(request))
        for scope in self.scopes:
            require_scope(caller, scope)
        refuse_query(request)
        return caller


def require_scope(caller: Caller, scope: Scope) -> None:
    """Refuse a caller whose key lacks a scope that only some of a route's questions need.

    Raises:
        Forbidden: it does.
    """
    if not caller.may(scope):
        raise Forbidden(
            f"This key lacks the scope {scope}.",
            headers={
                "WWW-Authenticate": 'Bearer realm="optout", error="insufficient_scope", '
                f'scope="{scope}"'
            },
        )


@cache
def requires(*scopes: Scope) -> Any:  # noqa: ANN401 - as FastAPI's own Depends and Security
    """Ask for a key that has all of these scopes.

    In a route: ``caller: Annotated[Caller, requires("checks")]``.

    Raises, when a request comes:
        Unauthenticated: no valid key was presented.
        Forbidden: the key lacks a scope.
        QuotaExceeded: the key makes too many requests.
        Unavailable: PostgreSQL does not tell.
    """
    return Security(_Door(scopes), scopes=scopes)


def access_of(request: Request) -> Access:
    """Find the access of the app that serves a request."""
    access = request.app.state.access
    if not isinstance(access, Access):
        raise TypeError("the app was started without access")
    return access


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The key of a request whose answer takes long: it may end before the answer does."""

    access: Access
    presented: str = field(repr=False)

    async def require(self) -> None:
        """See that it still opens, before more is told; it costs hardly anything.

        Raises:
            Unauthenticated: it was revoked, or has expired.
            Unavailable: PostgreSQL does not tell.
        """
        await self.access.recognise(self.presented, now())


async def _held_key(request: Request) -> HeldKey:
    return HeldKey(access_of(request), _presented(request))


async def _purpose_of(
    declared: Annotated[
        str | None,
        Header(
            alias="Optout-Purpose",
            max_length=200,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="What the list is read for, in your words; it stands in the audit",
        ),
    ] = None,
) -> str | None:
    # Headers are bytes, which come as Latin-1 and are mostly meant as UTF-8.
    if not declared:
        return None
    try:
        return declared.encode("latin-1").decode()
    except UnicodeError:
        return declared


async def _reads_of(request: Request) -> Reads:
    return access_of(request).reads


async def _quotas_of(request: Request) -> Quotas:
    return access_of(request).quotas


async def _directory_of(request: Request) -> Directory:
    directory = request.app.state.directory
    if not isinstance(directory, Directory):
        raise TypeError("the app was started without a directory")
    return directory


async def _vault_of(request: Request) -> Vault:
    vault = request.app.state.vault
    if not isinstance(vault, Vault):
        raise TypeError("the app was started without a vault")
    return vault


TheHeldKey = Annotated[HeldKey, Depends(_held_key)]
ThePurpose = Annotated[str | None, Depends(_purpose_of)]
TheReads = Annotated[Reads, Depends(_reads_of)]
TheQuotas = Annotated[Quotas, Depends(_quotas_of)]
TheDirectory = Annotated[Directory, Depends(_directory_of)]
TheVault = Annotated[Vault, Depends(_vault_of)]


def _presented(request: Request) -> str:
    header = request.headers.get("authorization")
    if header is None:
        raise Unauthenticated("Send the header Authorization: Bearer <key>.")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("The header Authorization must be: Bearer <key>.", presented=True)
    return key.strip()
