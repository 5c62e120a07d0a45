"""How a page is made: template, words, headers; and what a person sees of a refusal."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import cache, partial
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.exceptions import HTTPException

from app.accounts import Role
from app.platform.edge import request_id_of
from app.platform.problems import Problem
from app.platform.refusals import NotFound
from app.platform.web import StrictRoute

from .countries import is_outside
from .doors import (
    Browser,
    ForeignForm,
    NotForYou,
    SignInNeeded,
    browser_of,
    onward,
    remember_browser,
    way_to_sign_in,
)
from .navigation import home_of, seen_by
from .shown import browser_name
from .static import asset_path
from .words import LANGUAGES, Language, Words, choose_language, named, weight, words_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy of every page: nothing from elsewhere, nothing inline, no frame."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Vary": "Accept-Language, Cookie",
}
_LANGUAGE = "optout_language"
_A_YEAR = 31_536_000
_ONLY_POST = 405
_TOO_LARGE = 413
_UNAVAILABLE = 503
_MOST_ACCEPTED = 400


@cache
def _templates(language: Language) -> Environment:
    """Make the templates of a language: a name that the registry gave is said in it anywhere."""
    templates = Environment(
        loader=PackageLoader("app.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=partial(named, language),
    )
    templates.globals.update(
        asset=asset_path,
        browser_name=browser_name,
        seen_by=seen_by,
        home_of=home_of,
        onward=onward,
        outside=is_outside,
        Role=Role,
    )
    return templates


def words_for(request: Request) -> Words:
    """Find the words for whoever asks."""
    asked = request.query_params.get("lang") or request.cookies.get(_LANGUAGE)
    language = choose_language(asked, request.headers.get("accept-language", ""))
    return words_of(language, request.app.state.settings)


async def page(request: Request, template: str, *, status: int = 200, **shown: object) -> Response:
    """Show a page, or a part of one for htmx; ``shown`` is what its template names."""
    browser = await browser_of(request)
    response = HTMLResponse(fill(request, browser, template, **shown), status, _HEADERS)
    remember_browser(request, response, browser)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(
            _LANGUAGE, words_for(request).language, max_age=_A_YEAR, samesite="lax", httponly=True
        )
    return response


def fill(request: Request, browser: Browser, template: str, **shown: object) -> str:
    """Fill a template for whoever asks."""
    t = words_for(request)
    return (
        _templates(t.language)
        .get_template(template)
        .render(
            t=t,
            visit=browser.visit,
            form=browser.form_token,
            request=request,
            **shown,
        )
    )


def go(request: Request, where: str) -> Response:
    """Send a browser to another page, after a form or because it may not see this one."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303, _HEADERS)


class DeadLink(NotFound):
    """A person holds a link that does not count, or no longer; the page says where to go on."""


class PageRoute(StrictRoute):
    """A route for people: what is refused is shown as a page, in their words."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the strict handler."""
        handler = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handler(request)
            except SignInNeeded as refusal:
                return go(request, way_to_sign_in(request, refusal.where))
            except (NotForYou, ForeignForm) as refusal:
                why = "role" if isinstance(refusal, NotForYou) else "form"
                return await _refused(request, why, 403)
            except RequestValidationError:
                # Of a page only its address is validated: a form is read by the page itself.
                return await _refused(request, "gone", 404)
            except HTTPException as refusal:
                why = "body-too-large" if refusal.status_code == _TOO_LARGE else "request"
                return await _refused(request, why, refusal.status_code)
            except Problem as refusal:
                return await _problem(request, refusal)

        return shown


async def _problem(request: Request, refusal: Problem) -> Response:
    known = {404: "gone", 429: "often", 503: "unavailable"}.get(refusal.status, "request")
    if isinstance(refusal, DeadLink):
        known = "link"
    elif f"refused.{refusal.type}" in words_for(request).texts:
        known = refusal.type
    if refusal.status == _UNAVAILABLE:  # the page must not ask the database once more
        request.state.browser = Browser(None, "", new=False)
    response = await _refused(request, known, refusal.status)
    response.headers.update(refusal.headers)
    return response


async def _refused(request: Request, why: str, status: int) -> Response:
    return await page(request, _refusal(request), status=status, why=why)


def _refusal(request: Request) -> str:
    # A part of a page is refused within it: no page stands within a page.
    return "refusal.html" if request.headers.get("hx-request") else "refused.html"


def show_fault(request: Request, problem: Problem) -> Response | None:
    """Show a person what nobody foresaw, and the reference to report; the database is not asked.

    None for whoever is no person: they get the problem itself.
    """
    if not _is_for_people(request):
        return None
    why = "unavailable" if problem.status == _UNAVAILABLE else problem.type
    known = getattr(request.state, "browser", None) or Browser(None, "", new=False)
    reference = request_id_of(request.scope)
    text = fill(request, known, _refusal(request), why=why, reference=reference)
    return HTMLResponse(text, problem.status, _HEADERS | problem.headers)


def answer_browsers(app: FastAPI) -> None:
    """Show a page, in the reader's language, to a browser at an address that the app has not.

    Whoever does not ask for HTML is answered as ever, and at the API's addresses everybody is.
    """
    plain = cast("_Handler", app.exception_handlers[HTTPException])

    async def refused(request: Request, error: Exception) -> Response:
        answer = await plain(request, error)
        if not _is_for_people(request):
            return answer
        try:
            browser = await browser_of(request)
        except Problem:
            browser = request.state.browser = Browser(None, "", new=False)
        if request.method == "GET" and (where := _instead(request, browser, answer.status_code)):
            return go(request, where)
        shown = await _refused(request, "gone", answer.status_code)
        if "allow" in answer.headers:
            shown.headers["Allow"] = answer.headers["allow"]
        return shown

    app.add_exception_handler(HTTPException, refused)


def _instead(request: Request, browser: Browser, status: int) -> str | None:
    """Tell where a browser belongs that asks for no page: the host alone, or a form's address.

    The latter is what it asks for when it shows an answer to the form in another language.
    """
    if request.url.path == "/":
        visit = browser.visit
        return home_of(visit.user.role) if visit and visit.whole else "/sign-in"
    if status != _ONLY_POST:
        return None
    above = request.url.path.rpartition("/")[0] or "/"
    return str(URL(above).replace(query=request.url.query))


_Handler = Callable[[Request, Exception], Awaitable[Response]]
_API = ("/v1", "/problems", "/static")


def _is_for_people(request: Request) -> bool:
    first = "/" + request.url.path.lstrip("/").partition("/")[0]
    accepted = request.headers.get("accept", "")
    return first not in _API and _weighs(accepted, "text/html") > _weighs(accepted, "json")


def _weighs(accepted: str, sought: str) -> float:
    """Tell how much one kind of answer is wanted that is named itself (RFC 9110, 12.5.1)."""
    found = 0.0
    for part in accepted[:_MOST_ACCEPTED].split(","):
        kind, _, quality = part.partition(";q=")
        if kind.partition(";")[0].strip().lower().endswith(sought):
            found = max(found, weight(quality))
    return found


def pages(prefix: str = "") -> APIRouter:
    """Make a router of pages, which stand in no reference of the API."""
    return APIRouter(prefix=prefix, route_class=PageRoute, include_in_schema=False)
