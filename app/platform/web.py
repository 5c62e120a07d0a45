"""The web as this project speaks it: strict JSON in, problem details out, nothing undocumented.

``Api`` is the app, ``router`` makes the routers of the rooms. Key checks belong to
``app.parties``; which statuses a route documents is decided in ``app.platform.openapi``.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import takewhile
from typing import Any, ClassVar, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import HTTPBearer
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from app.platform.edge import Edge, ShowFault, problem_response, request_id_of
from app.platform.idempotency import Replay, render_replay
from app.platform.openapi import complete
from app.platform.problems import FieldError, Problem
from app.platform.public import public
from app.platform.refusals import BodyTooLarge, InvalidRequest, MethodNotAllowed, NotFound
from app.platform.strict_json import SaidTwice, read_json
from app.platform.wire import NO_NUL, SEEN
from app.settings import Settings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

Model = TypeVar("Model", bound=BaseModel)

_PLAIN_WORDS = {
    "missing": "is needed",
    "extra_forbidden": "is not known here",
    "twice": "stands twice, and only one can count",
    "dict_type": "a JSON object is needed",
    "model_attributes_type": "a JSON object is needed",
    "model_type": "a JSON object is needed",
}
"""What pydantic says in words that only its own users know."""
_AS_THE_CALLER_NAMES_IT = ("extra_forbidden", "twice")
_NO_NAME = re.compile(r"@|\d(\W*\d){3}|.{41}", re.DOTALL)
"""A contact point may stand where the name of a member belongs: it is not repeated."""
_MOST_ERRORS = 50
_MOST_POINTER = 200


class StrictRequest(Request):
    """A request whose body has a limit and whose JSON is what RFC 8259 allows, no more.

    NaN, byte order marks, other encodings, lone surrogates and absurd depths are refused as a
    body that cannot be read (422), and so are two members of one name.
    """

    limit: int

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Hand out the body in pieces.

        Raises:
            HTTPException: 413, before the first piece where the length is announced.
        """
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit:
            raise self._too_large()
        left = self.limit
        async for piece in super().stream():
            left -= len(piece)
            if left < 0:
                raise self._too_large()
            yield piece

    def _too_large(self) -> HTTPException:
        # FastAPI lets nothing else through from where it reads the body.
        return HTTPException(413, f"At most {self.limit} bytes are taken here; split it.")

    async def json(self) -> Any:  # noqa: ANN401 - JSON is anything, and FastAPI's own type
        """Read the body as JSON, once."""
        if not hasattr(self, "_json"):
            try:
                self._json = read_json(await self.body())
            except SaidTwice as error:
                raise _AmbiguousBody(error.path) from None
            except ValueError as error:
                raise json.JSONDecodeError(str(error), "", 0) from None
        return self._json


class _AmbiguousBody(HTTPException):
    """A body of which a member stands twice; FastAPI lets no problem through from there."""

    def __init__(self, path: tuple[str | int, ...]) -> None:
        super().__init__(400, "One thing is wrong.")
        self.fault = {"type": "twice", "loc": ("body", *path)}


class StrictRoute(APIRoute):
    """A route that reads its requests strictly, up to ``max_body_bytes`` of the settings.

    ``reads_query``: its function has a model of the address's parameters, or takes a file, and
    refuses those that it does not know itself; for any other ``refuse_query`` does.
    """

    limit_setting: ClassVar[str] = "max_body_bytes"
    reads_query: bool

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        self.reads_query = bool(self.dependant.query_params) or isinstance(self, FileRoute)
        handler = super().get_route_handler()
        setting = self.limit_setting

        async def strict(request: Request) -> Response:
            strict_request = StrictRequest(request.scope, request.receive)
            strict_request.limit = getattr(request.app.state.settings, setting)
            return await handler(strict_request)

        return strict


class BatchRoute(StrictRoute):
    """A route that takes bodies up to ``max_batch_body_bytes``."""

    limit_setting = "max_batch_body_bytes"


class FileRoute(StrictRoute):
    """A route that takes a file of up to ``file_bytes``; its function reads the body itself.

    What is said beside the file is read by ``read_fields`` and described by ``takes_file``.
    """

    limit_setting = "file_bytes"


def read_fields(
    model: type[Model], fields: Mapping[str, str], where: Callable[[str], str]
) -> Model:
    """Read what was said beside a file; refused as the fields of a body are.

    ``where`` tells whether a field of a name stands in the ``body`` or in the ``query``.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        faults = [
            {**fault, "loc": (where(str(fault["loc"][0])), *fault["loc"])}
            if fault["loc"]
            else {**fault, "loc": ("body",)}
            for fault in error.errors()
        ]
        raise RequestValidationError(faults) from None


def refuse_query(request: Request) -> None:
    """Refuse parameters in the address that the route does not know, and any that stands twice.

    A `?dry_run=true` that is not heeded records what was to be tried. Whoever lets callers in
    calls it, once for all routes: a dependency of its own would cost each check.

    Raises:
        RequestValidationError: there are such; as unknown fields of a body are refused.
    """
    if not request.scope["query_string"]:
        return
    reads_query = request.scope["route"].reads_query
    counts = Counter(name for name, _ in request.query_params.multi_items())
    faults = [
        {"type": "extra_forbidden" if not reads_query else "twice", "loc": ("query", name)}
        for name, count in counts.items()
        if not reads_query or count > 1
    ]
    if faults:
        raise RequestValidationError(faults)


def router(prefix: str, tag: str, *, route_class: type[StrictRoute] = StrictRoute) -> APIRouter:
    """Make a room's router; ``prefix`` is the whole path that its routes share (``/v1/brands``).

    Routes that take large bodies stand on a second router with ``route_class=BatchRoute``. A
    route's function gives it its name in the reference.
    """
    return APIRouter(
        prefix=prefix,
        tags=[tag],
        route_class=route_class,
        generate_unique_id_function=lambda route: route.name,
    )


class KeyScheme(SecurityBase):
    """The base of a dependency that wants a key: documented as the security scheme ``key``."""

    scheme_name = "key"
    model = HTTPBearer(description="A key of the registry: `optout_…`")


class Api(FastAPI):
    """The app of one web process, without the rooms' routers: strict, documented, silent."""

    def __init__(
        self,
        settings: Settings,
        *,
        routers: Sequence[APIRouter],
        lifespan: Lifespan | None = None,
        show_fault: ShowFault | None = None,
    ) -> None:
        """Build it; ``state.settings`` is set, ``state.database`` is the lifespan's to set."""
        super().__init__(
            title="Optout Registry",
            version="1",
            summary="The one place that knows who said 'stop contacting me'.",
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            redirect_slashes=False,
            lifespan=lifespan,
            telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        )
        self.state.settings = settings
        self.add_middleware(Edge, show_fault=show_fault)
        self.add_exception_handler(Problem, _problem)
        self.add_exception_handler(RequestValidationError, _invalid)
        self.add_exception_handler(HTTPException, _refused)
        self.add_exception_handler(Replay, render_replay)
        for part in (*routers, public):
            # Not include_router: its layer matches each route twice, a fifth of a check's time.
            self.router.routes.extend(part.routes)

    def openapi(self) -> dict[str, Any]:
        """Describe the app in OpenAPI 3.1, with every status that each route may answer."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def _answer(request: Request, problem: Problem) -> Response:
    return problem_response(problem, request_id_of(request.scope))


async def _problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise error
    return _answer(request, error)


async def _refused(request: Request, error: Exception) -> Response:
    """Answer what Starlette and FastAPI refuse by themselves."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            problem: Problem = NotFound("Nothing stands at this address.")
        case 405:
            headers["Allow"] = ", ".join(_methods_of(request))
            problem = MethodNotAllowed(f"This address takes {headers['Allow']}.")
        case 413:
            problem = BodyTooLarge(error.detail)
        case 400:
            faults = [_fault(error.fault)] if isinstance(error, _AmbiguousBody) else []
            problem = InvalidRequest(error.detail, errors=faults)
        case _:
            raise TypeError("this code raises problems, not HTTPException") from error
    problem.headers |= headers
    return _answer(request, problem)


def _methods_of(request: Request) -> list[str]:
    """List what an address takes over all its routes; Starlette names the first route's alone."""
    path = request.scope["path"]
    return sorted(
        {
            method
            for route in iter_route_contexts(request.app.routes)
            if route.path_regex and route.path_regex.match(path)
            for method in route.methods or ()
        }
    )


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [_fault(fault) for fault in error.errors()[:_MOST_ERRORS]]
    return _answer(request, InvalidRequest(_summary(request, error), errors=faults))


def _summary(request: Request, error: RequestValidationError) -> str:
    kinds = {fault["type"] for fault in error.errors()}
    if "model_attributes_type" in kinds and "json" not in request.headers.get("content-type", ""):
        return "A JSON body is needed, sent as Content-Type: application/json."
    if "json_invalid" in kinds:
        packed = "content-encoding" in request.headers
        return f"The body is not JSON in UTF-8{'; send it unpacked' if packed else ''}."
    count = len(error.errors())
    return "One thing is wrong." if count == 1 else f"{count} things are wrong."


def _fault(fault: dict[str, Any]) -> FieldError:
    """Say where and what, never with which value."""
    where, *rest = fault["loc"]
    if fault["type"] == "json_invalid":
        return FieldError("", fault["ctx"]["error"])
    if fault["type"] in _AS_THE_CALLER_NAMES_IT:
        rest = list(takewhile(_is_name, rest))
    steps = rest if where == "body" else [where, *rest]
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(pointer[:_MOST_POINTER], _in_words(fault))


def _is_name(step: str | int) -> bool:
    return isinstance(step, int) or not _NO_NAME.search(step)


def _in_words(fault: dict[str, Any]) -> str:
    kind = fault["type"]
    if kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] == NO_NUL:
        return "holds a NUL character"
    if kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] == SEEN:
        return "is blank, or holds a NUL character"
    if kind == "missing" and fault["loc"] == ("body",):
        kind = "model_type"
    return _PLAIN_WORDS.get(kind) or str(fault["msg"]).removeprefix("Value error, ")
