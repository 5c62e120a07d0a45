"""What every request passes first and every answer last, as one ASGI middleware.

Request id, headers that keep browsers strict, the line in the log, the metrics, and the answer
to what nobody foresaw. One layer, because each costs every check. It stands on the ground
because the answers of all rooms pass it.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from time import perf_counter

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.db import Unavailable, driver_words, is_unavailable
from app.platform.ids import new_id
from app.platform.logs import REQUEST_ID, get_logger
from app.platform.metrics import count_request
from app.platform.problems import Problem
from app.platform.refusals import Fault, document

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""Content security policy of an answer that no browser needs to show."""

_log = get_logger(__name__)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_WENT = 499

Header = tuple[bytes, bytes]
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_UNLESS_SET: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", API_POLICY.encode()),
)


ShowFault = Callable[[Request, Problem], Response | None]
"""Shows a person what nobody foresaw, without the database; None for whoever is no person."""


def problem_response(problem: Problem, request_id: str) -> Response:
    """Write a problem as the answer to one request."""
    body = json.dumps(document(problem, request_id), ensure_ascii=False, separators=(",", ":"))
    return Response(
        body.encode("utf-8", "backslashreplace"),
        problem.status,
        problem.headers,
        media_type="application/problem+json",
    )


def request_id_of(scope: Scope) -> str:
    """Tell the id of a request that passed ``Edge``."""
    request_id: str = scope["state"]["request_id"]
    return request_id


def _given_or_new(headers: Iterable[Header]) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return str(new_id())


def _ending() -> Problem:
    return Unavailable(
        "The process that served this was told to end before it was done. Send it again.",
        headers={"Retry-After": "1"},
    )


def _answer_to(error: Exception, scope: Scope) -> Problem:
    """Choose what to say of an error that no room has a problem for, and log it."""
    if is_unavailable(error):
        _log.warning("database unavailable", route=_route(scope), reason=driver_words(error))
        return Unavailable(
            "The database does not answer. Nothing is confirmed; contact nobody meanwhile.",
            headers={"Retry-After": "1"},
        )
    _log.error("request failed", route=_route(scope), exc_info=error)
    return Fault("The registry failed; nothing is confirmed. Report the instance.")


def ends_soon(app: Starlette) -> None:
    """Note that the process was told to end: a request that is broken off now is no fault."""
    app.state.ends_soon = True


class Edge:
    """The outermost layer of the app: pure ASGI, because ``BaseHTTPMiddleware`` costs two thirds.

    The log line and the metrics name the route's template, never the path or the query: either
    may hold what must not be written down.
    """

    def __init__(self, app: ASGIApp, show_fault: ShowFault | None = None) -> None:
        """Wrap the rest of the app."""
        self.app = app
        self._show_fault = show_fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other kinds of connection pass untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        request_id = _given_or_new(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST_ID.set(request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                names = {name for name, _ in headers}
                message["headers"] = [
                    *headers,
                    *_ALWAYS,
                    *(header for header in _UNLESS_SET if header[0] not in names),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except ClientDisconnect:
            # Nobody is left to answer, as when Enter is pressed twice: recorded as gone, no fault.
            status = 0
        except asyncio.CancelledError:
            if not getattr(scope["app"].state, "ends_soon", False):
                raise
            # Its time to drain is over. What was begun of an answer, the server breaks off.
            if not status:
                await self._answer(scope, _ending())(scope, receive, send_with_headers)
        except Exception as error:
            problem = _answer_to(error, scope)
            if status:
                # Too late for another answer: the server has to break the connection.
                raise
            await self._answer(scope, problem)(scope, receive, send_with_headers)
        finally:
            _record(scope, status or _CLIENT_WENT, perf_counter() - began)

    def _answer(self, scope: Scope, problem: Problem) -> Response:
        try:
            shown = self._show_fault and self._show_fault(Request(scope), problem)
        except Exception:  # noqa: BLE001 - whatever it is, the problem itself is still answered
            _log.exception("page of a fault failed", route=_route(scope))
            shown = None
        return shown or problem_response(problem, request_id_of(scope))


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if route is not None else "-"


def _record(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    route = _route(scope)
    count_request(method, route, status, seconds)
    _log.info(
        "request", method=method, route=route, status=status, milliseconds=round(seconds * 1e3, 1)
    )
