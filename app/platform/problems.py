"""Errors as the wire shows them: problem details (RFC 9457).

A room defines a subclass of ``Problem`` beside the code that raises it; ``app.platform.web``
renders it. The docstring of the subclass is what ``/problems/<slug>`` serves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in a request body: a JSON pointer (RFC 6901) and what is wrong there."""

    pointer: str
    detail: str


class Problem(Exception):  # noqa: N818 - it names what the reader sees, as RFC 9457 does
    """A refusal with a stable type, shown to the caller.

    ``detail`` never holds a contact point, unless masked.
    """

    type: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what was wrong and what to do; ``extra`` adds members to the document."""
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def every_problem(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """List all problem classes that have a type, in order of definition."""
    for child in root.__subclasses__():
        if "type" in child.__dict__:
            yield child
        yield from every_problem(child)
