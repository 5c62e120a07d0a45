"""The problems that no room owns: refusals of the web itself, and how any problem is written.

It stands apart from ``web`` so that rules which know nothing of the web can raise them.
"""

from typing import Any

from app.platform.problems import Problem


class InvalidRequest(Problem):
    """The request does not have the shape that the reference asks for.

    Each fault stands in `errors`: `pointer` is a JSON pointer into the body, or begins with
    `/query`, `/path` or `/header` for the rest of the request. At most 50 are listed. Values are
    not repeated, because they may be contact points.
    """

    type = "invalid-request"
    title = "The request cannot be understood"
    status = 422


class NotFound(Problem):
    """Nothing stands at this address, or nothing that this key may see."""

    type = "not-found"
    title = "There is no such thing"
    status = 404


class MethodNotAllowed(Problem):
    """The address exists, the method does not; the header `Allow` lists those that do."""

    type = "method-not-allowed"
    title = "This address does not take that method"
    status = 405


class BodyTooLarge(Problem):
    """The body is larger than this address takes: 1 MiB, or 16 MiB for batches.

    Nothing was read or recorded. Split it.
    """

    type = "body-too-large"
    title = "The body is too large"
    status = 413


class Fault(Problem):
    """The registry failed in a way that it did not foresee. Nothing is confirmed.

    Treat the contact as blocked, and report the `instance` to whoever runs the registry.
    """

    type = "fault"
    title = "The registry failed"
    status = 500


def document(problem: Problem, request_id: str) -> dict[str, Any]:
    """Write a problem as the members of its RFC 9457 document."""
    members: dict[str, Any] = {
        "type": f"/problems/{problem.type}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{request_id}",
    }
    if problem.errors:
        members["errors"] = [
            {"pointer": error.pointer, "detail": error.detail} for error in problem.errors
        ]
    return members | problem.extra
