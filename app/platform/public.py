"""What anybody may ask without a key: is it alive, is it ready, how is it spoken to.

It stands on the ground because it tells of the whole process, and the reference of all rooms.
"""

import gzip
import html
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from inspect import cleandoc

from fastapi import APIRouter, Request, Response
from pydantic import Field

from app.platform.db import ReadSession
from app.platform.openapi import responses
from app.platform.problems import Problem, every_problem
from app.platform.refusals import NotFound
from app.platform.schema import SchemaUnfit, require_schema
from app.platform.wire import Answer, Slug

DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy of ``/docs``: nothing from elsewhere, nothing inline."""

_ASSETS = {
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
    "docs.js": ("docs.js", "text/javascript; charset=utf-8"),
}

public = APIRouter(tags=["public"], generate_unique_id_function=lambda route: route.name)


class NotReady(Problem):
    """This process cannot serve: its database is away, or its schema does not fit the code.

    Send requests to another one. The detail says what the operator has to run.
    """

    type = "not-ready"
    title = "This process is not ready"
    status = 503


class State(Answer):
    """Whether a process serves."""

    status: str = Field(description="`ok`")


class ProblemType(Answer):
    """One kind of problem, explained."""

    type: str = Field(description="Its address, as `type` of a problem names it")
    title: str
    status: int
    description: str


@public.head("/healthz", include_in_schema=False)
@public.get("/healthz")
async def healthz() -> State:
    """Tell that the process lives. It asks nobody."""
    return State(status="ok")


@public.head("/readyz", include_in_schema=False)
@public.get("/readyz", responses=responses(NotReady))
async def readyz(session: ReadSession) -> State:
    """Tell that the process can serve: PostgreSQL answers and its schema fits this code."""
    try:
        await require_schema(session)
    except SchemaUnfit as error:
        raise NotReady(str(error)) from error
    return State(status="ok")


@public.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """Serve the reference as OpenAPI 3.1."""
    return Response(json.dumps(request.app.openapi()), media_type="application/json")


@public.get("/docs", include_in_schema=False)
async def docs() -> Response:
    """Serve the reference as a page; everything it loads comes from here."""
    return Response(
        _asset("docs.html").plain,
        headers={"Content-Security-Policy": DOCS_POLICY},
        media_type="text/html",
    )


@public.get("/docs/assets/{name}", include_in_schema=False)
async def docs_asset(name: str, request: Request) -> Response:
    """Serve what ``/docs`` is made of, compressed for whoever takes that."""
    if name not in _ASSETS:
        raise NotFound("The reference has no such part.")
    path, media_type = _ASSETS[name]
    asset = _asset(path)
    headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.plain, headers=headers, media_type=media_type)
    return Response(
        asset.zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=media_type
    )


@public.get(
    "/problems/{slug}",
    response_model=ProblemType,
    responses={200: {"content": {"text/html": {}}}},
)
async def problem_type(slug: Slug, request: Request) -> Response:
    """Explain one kind of problem: what it means and what to do. In HTML for browsers."""
    for problem in every_problem():
        if problem.type == slug:
            explained = ProblemType(
                type=f"/problems/{slug}",
                title=problem.title,
                status=problem.status,
                description=cleandoc(problem.__doc__ or ""),
            )
            if "text/html" in request.headers.get("accept", ""):
                return Response(_page(explained), media_type="text/html")
            return Response(explained.model_dump_json(), media_type="application/json")
    raise NotFound("No problem has this name.")


def _page(problem: ProblemType) -> str:
    paragraphs = "".join(
        f"<p>{html.escape(text)}</p>" for text in problem.description.split("\n\n")
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(problem.title)}</title>"
        f"<h1>{html.escape(problem.title)}</h1>"
        f"<p><code>{html.escape(problem.type)}</code>, status {problem.status}</p>{paragraphs}"
    )


@dataclass(frozen=True, slots=True)
class _Asset:
    plain: bytes
    zipped: bytes


@cache
def _asset(path: str) -> _Asset:
    plain = (files("app.platform") / "assets" / path).read_bytes()
    return _Asset(plain, gzip.compress(plain, 6, mtime=0))
