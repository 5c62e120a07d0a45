"""Who looks at a page, and whether a form came from one of ours.

A form carries a token that is bound to a cookie: to the session's, or to one that stands for a
browser that is not signed in. Cookies carry the prefix ``__Host-`` where the page came by TLS, so
that no neighbouring host can set them.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, Request, Response, Security
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase

from app.accounts import Role, Visit, find_visit, was_seen
from app.platform.clock import now
from app.platform.db import database_of

from .navigation import home_of, may_open

_SESSION = "optout_session"
_BROWSER = "optout_browser"
_MOST_FIELDS = 200
_SEEN_EVERY = timedelta(minutes=1)


class SignInNeeded(Exception):  # noqa: N818 - it says what is needed
    """Nobody is signed in here, or only half: the browser is sent where that is mended."""

    def __init__(self, where: str) -> None:
        """Name the page to go to."""
        super().__init__(where)
        self.where = where


class NotForYou(Exception):  # noqa: N818 - it says what the page is
    """The page is for another role."""


class ForeignForm(Exception):  # noqa: N818 - it says what the form is
    """The form did not come from a page of ours, or the page is older than the session."""


@dataclass(frozen=True, slots=True)
class Browser:
    """Who asks: a visit if somebody is signed in; ``secret`` is what its forms are bound to.

    ``new`` tells that the browser holds no cookie yet, and gets one with the page.
    """

    visit: Visit | None
    secret: str = field(repr=False)
    new: bool

    @property
    def form_token(self) -> str:
        """What a form of this browser carries."""
        return hmac.digest(self.secret.encode(), b"form", hashlib.sha256).hex()


async def browser_of(request: Request) -> Browser:
    """Tell who asks, once for each request.

    Raises:
        Unavailable: PostgreSQL does not tell.
    """
    known = getattr(request.state, "browser", None)
    if isinstance(known, Browser):
        return known
    request.state.browser = browser = await _browser(request)
    return browser


async def _browser(request: Request) -> Browser:
    token = request.cookies.get(_name(request, _SESSION), "")
    if token:
        at = now()
        async with database_of(request).reading() as session:
            visit = await find_visit(session, token, at=at)
        if visit is not None:
            if visit.seen_at < at - _SEEN_EVERY:
                async with database_of(request).transaction() as session:
                    await was_seen(session, token, at=at)
            return Browser(visit, token, new=False)
    kept = request.cookies.get(_name(request, _BROWSER), "")
    return Browser(None, kept or secrets.token_urlsafe(16), new=not kept)


class PeopleDoor(SecurityBase):
    """Lets in who is signed in with at least a role; ``half`` a session without its second factor.

    Raises:
        SignInNeeded: nobody is, or their second factor is missing.
        NotForYou: their role is less.
    """

    scheme_name = "session"
    model = APIKey(**{"in": APIKeyIn.cookie}, name=_SESSION)

    def __init__(self, role: Role, *, half: bool = False) -> None:
        """Take the least role."""
        self.role = role
        self._half = half

    async def __call__(self, request: Request) -> Visit:
        """Find who asks."""
        visit = (await browser_of(request)).visit
        if visit is None:
            raise SignInNeeded("/sign-in")
        if not visit.whole and not self._half:
            raise SignInNeeded("/sign-in/code")
        if visit.user.role < self.role:
            raise NotForYou
        return visit


@cache
def signed_in(role: Role = Role.AGENT, *, half: bool = False) -> Any:  # noqa: ANN401 - as Security
    """Let in people of a role or more, as ``Annotated[Visit, Door]`` takes it."""
    return Security(PeopleDoor(role, half=half))


async def _form(request: Request) -> Mapping[str, str]:
    """Read a form that came from a page of ours, its last value for each name.

    Raises:
        ForeignForm: it did not.
    """
    require_same_site(request)
    data = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    fields = {name: value for name, value in data.multi_items() if isinstance(value, str)}
    await require_own_form(request, fields.get("token", ""))
    return fields


async def require_own_form(request: Request, token: str) -> None:
    """See that a form carries the token of the browser that sends it.

    Raises:
        ForeignForm: it carries another.
    """
    browser = await browser_of(request)
    if not hmac.compare_digest(token.encode(), browser.form_token.encode()):
        raise ForeignForm


Form = Annotated[Mapping[str, str], Depends(_form)]


def require_same_site(request: Request) -> None:
    """See that a form comes from a page of ours, as browsers tell it.

    Raises:
        ForeignForm: it does not.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm
    origin = request.headers.get("origin")
    if origin not in (None, "null") and urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignForm


_PAGE = re.compile(r"/[a-z][\w./-]*(\?[\w.,:;%&=+*~-]*)?", re.ASCII)
_LONGEST_PAGE = 1_000


def way_to_sign_in(request: Request, where: str) -> str:
    """Write the address at which to sign in; the page that was asked for stands in it as ``next``.

    Of a form, or a part of a page, it is the page that it stood on, where the browser tells it.
    """
    told = {"ended": "1"} if request.method == "POST" else {}
    if around := request.headers.get("hx-current-url"):
        page = urlsplit(around)
    elif request.method == "GET":
        page = urlsplit(str(request.url))
    else:
        page = urlsplit("")
    asked = f"{page.path}?{page.query}" if page.query else page.path
    if _is_page(asked):
        told["next"] = asked
    return f"{where}?{urlencode(told)}" if told else where


def landing(request: Request, role: Role) -> str:
    """Tell where whoever signed in goes: to the page they had asked for, or the role's first one.

    An address elsewhere is none: nobody may be sent away by a link to the page that signs in.
    """
    asked = request.query_params.get("next", "")
    return asked if _is_page(asked) and may_open(role, urlsplit(asked).path) else home_of(role)


def onward(request: Request) -> str:
    """Write the query by which the page that was asked for goes along from step to step."""
    asked = request.query_params.get("next")
    return f"?{urlencode({'next': asked})}" if asked else ""


def _is_page(asked: str) -> bool:
    found = len(asked) <= _LONGEST_PAGE and _PAGE.fullmatch(asked)
    return bool(found) and not asked.startswith("/sign-")


def sign_in_browser(request: Request, response: Response, token: str) -> None:
    """Give a browser the cookie of its session, which it loses when it is closed."""
    _set(request, response, _SESSION, token, same_site="lax")


def sign_out_browser(request: Request, response: Response) -> None:
    """Take the cookie of its session from a browser."""
    response.delete_cookie(_name(request, _SESSION), path="/", secure=_secure(request))


def remember_browser(request: Request, response: Response, browser: Browser) -> None:
    """Give a browser that is not signed in the cookie that its forms are bound to."""
    if browser.visit is None and browser.new:
        _set(request, response, _BROWSER, browser.secret, same_site="strict")


def _set(
    request: Request,
    response: Response,
    name: str,
    value: str,
    *,
    same_site: Any,  # noqa: ANN401 - Starlette's literal
) -> None:
    response.set_cookie(
        _name(request, name),
        value,
        path="/",
        secure=_secure(request),
        httponly=True,
        samesite=same_site,
    )


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name(request: Request, name: str) -> str:
    return f"__Host-{name}" if _secure(request) else name
