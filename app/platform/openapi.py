"""The reference of the API: FastAPI's description, completed with what it cannot know.

Which refusals an operation may answer follows from what it takes: a key, a body, parameters, an
``Idempotency-Key``. A route names only what is its own, with ``responses``. It stands on the
ground because it describes the routes of all rooms.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import BaseModel

from app.platform.problems import Problem

IDEMPOTENCY_HEADER = "Idempotency-Key"

_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before asking again",
        "schema": {"type": "string"},
    }
}
_RETRY_LATER = {
    "Retry-After": {
        "description": "Seconds to wait, where the first request is still running",
        "schema": {"type": "string"},
    }
}
RATE_LIMIT = {
    "RateLimit": {
        "description": "What is left of a limit (`r`) and for how many seconds (`t`), as "
        "draft-ietf-httpapi-ratelimit-headers-11 writes it; absent for an administrator",
        "schema": {"type": "string", "examples": ['"checks";r=4990000;t=43200']},
    },
    "RateLimit-Policy": {
        "description": "The limit: how many (`q`) in how many seconds (`w`)",
        "schema": {"type": "string", "examples": ['"checks";q=5000000;w=86400']},
    },
}
"""The headers of answers that count against a limit of the key."""
LOCATION = {
    "Location": {"description": "Where it can be read", "schema": {"type": "string"}},
}
"""The header of answers to what makes something that can be read at an address of its own."""
_WWW_AUTHENTICATE = {
    "WWW-Authenticate": {
        "description": "What is wrong with the key, as RFC 6750 writes it; of a 403 the scope that "
        "is lacking, absent where the key is bound elsewhere",
        "schema": {"type": "string"},
    }
}
_HEADERS = {
    "401": _WWW_AUTHENTICATE,
    "403": _WWW_AUTHENTICATE,
    "429": _RETRY_AFTER,
    "503": _RETRY_AFTER,
}
_REPLAYED = {
    "Idempotent-Replayed": {
        "description": "`true` where the answer was given before; secrets are null in it",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_PROBLEM = {
    "title": "Problem",
    "description": "What was refused and why, as RFC 9457 writes it.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {
            "type": "string",
            "description": "The kind of problem, an address of this server that explains it",
            "examples": ["/problems/invalid-request"],
        },
        "title": {"type": "string", "description": "The kind of problem in words"},
        "status": {"type": "integer", "description": "The status of the answer"},
        "detail": {"type": "string", "description": "What was wrong this time, and what to do"},
        "instance": {
            "type": "string",
            "description": "`urn:uuid:` and the id of the request",
            "examples": ["urn:uuid:0199a3f2-7c1e-7d34-a5b6-7c8d9e0f1a2b"],
        },
        "errors": {
            "type": "array",
            "description": "Each fault of the request, at most 50",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "Where: a JSON pointer into the body, or `/query/…`, "
                        "`/path/…`, `/header/…`",
                    },
                    "detail": {"type": "string", "description": "What is wrong there"},
                },
            },
        },
    },
}

Responses = dict[int | str, dict[str, Any]]


def responses(*problems: type[Problem]) -> Responses:
    """Document the refusals that are a route's own: ``responses=responses(ReferenceReused)``."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for problem in problems:
        by_status[problem.status].append(f"`{problem.type}`: {problem.title}")
    return {
        status: {"description": "\n\n".join(lines), "content": _CONTENT}
        for status, lines in by_status.items()
    }


def takes_file(model: type[BaseModel]) -> dict[str, Any]:
    """Describe a body that is a form with a part ``file``, or the bare file: ``openapi_extra=``.

    ``model`` says what stands beside the file: fields of the form, or parameters of the address.
    """
    beside = model.model_json_schema()
    needed = ["file", *beside.get("required", ())]
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": needed, "properties": {"file": file}}
    form["properties"] |= beside["properties"]
    name = {"type": "string", "description": "The file's name, of a bare file"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "application/octet-stream": {"schema": file},
            },
        },
        "parameters": [
            {"name": field, "in": "query", "required": False, "schema": schema}
            for field, schema in {**beside["properties"], "filename": name}.items()
        ],
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to each operation the refusals that follow from what it takes."""
    for address, path in document["paths"].items():
        legible = any(other.startswith(f"{address}/{{") for other in document["paths"])
        for operation in path.values():
            answers = operation["responses"]
            for status, description in _refusals(operation):
                known = answers.setdefault(status, {"description": description})
                if description not in known["description"]:
                    known["description"] += f"\n\n{description}"
                known["content"] = _CONTENT
                if status in _HEADERS:
                    known["headers"] = _HEADERS[status]
            _document_headers(operation, legible=legible)
            operation["responses"] = dict(sorted(answers.items()))
            _show_example(operation)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    return document


def _refusals(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    parameters = operation.get("parameters", ())
    places = {parameter["in"] for parameter in parameters}
    # FastAPI's own description of a 422 speaks of a model that is not ours.
    own = operation["responses"].get("422", {})
    if own and own.get("content") is not _CONTENT:
        del operation["responses"]["422"]
    if "security" in operation:
        yield "401", "No key, or one that is unknown, expired or revoked"
        yield "403", "The key lacks the scope, or is bound elsewhere"
        yield "429", "The key's quota is used up"
        yield "503", "The registry cannot answer now; nothing is confirmed"
    if "path" in places:
        yield "404", "There is no such thing, or the key may not see it"
    if "requestBody" in operation:
        yield "413", "The body is larger than is taken here"
    if _is_done_once(operation):
        yield "409", "The first request with this `Idempotency-Key` is still running"
    if parameters or "requestBody" in operation:
        yield "422", "The request does not have the shape described here"


def _document_headers(operation: dict[str, Any], *, legible: bool) -> None:
    """Document what goes with an answer; ``legible``: what is made here can be read by its name."""
    once = _is_done_once(operation)
    for status, answer in operation["responses"].items():
        if legible and status in ("201", "202"):
            answer["headers"] = LOCATION | answer.get("headers", {})
        if once and status.startswith("2"):
            answer["headers"] = _REPLAYED | answer.get("headers", {})
        if once and status == "409":
            answer["headers"] = _RETRY_LATER


def _show_example(operation: dict[str, Any]) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and (example := _examples().get(operation["operationId"])) is not None:
        body["example"] = example


@cache
def _examples() -> dict[str, Any]:
    """Read the requests that the reference shows, by the names of their operations."""
    written = files("app.platform") / "assets" / "examples.json"
    return dict(json.loads(written.read_text(encoding="utf-8")))


def _is_done_once(operation: dict[str, Any]) -> bool:
    return any(
        parameter["name"] == IDEMPOTENCY_HEADER for parameter in operation.get("parameters", ())
    )


def written(document: dict[str, Any]) -> str:
    """Write the reference as ``openapi/v1.json`` holds it."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
