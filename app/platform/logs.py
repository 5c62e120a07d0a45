"""Logs: one structured line each, for people on a terminal, as JSON elsewhere.

They go to standard error, because commands answer on standard output. Code names no contact
point in a log line; a last processor masks whatever still looks like one. It stands on the
ground because each process sets its logs up before any room is loaded.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from time import monotonic
from typing import Any

import pydantic_core

from app.settings import Settings

# structlog loads rich wherever it is installed, to draw tracebacks that nobody here draws: 3 MB of
# every process. So it is loaded by this file alone, while rich cannot be found.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # what import reads as "not there"
import structlog  # noqa: E402 - see above
from structlog.typing import Processor, WrappedLogger  # noqa: E402 - see above

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request being answered; stands on every line written meanwhile."""

_CONTACT_POINT = re.compile(
    r"""
      (?P<kept>                                            # what only looks like a number
          [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}      # a UUID
        | \d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?      # a date
        | \d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)(?::\d+)?        # an IPv4 address
      )
    | (?P<address> [^\s@<>"'(),;:]+ @ [^\s@<>"'(),;:]+ )
    | (?P<number> (?<![\w.]) (?:\+|00)? \d (?:[\ .()/-]{0,2}\d){8,14} (?!\w) )
    """,
    re.VERBOSE | re.IGNORECASE,
)

_REPEATED_SECONDS = 60.0
_MOST_SAID = 1_000

_OURS = frozenset({"timestamp", "level", "method", "route", "status", "milliseconds"})
"""Members whose values this code chooses from a few; masking them would cost each request."""


def _hide(found: re.Match[str]) -> str:
    if found["kept"]:
        return found["kept"]
    return "[address]" if found["address"] else "[number]"


def mask_contact_points(text: str) -> str:
    """Replace everything in a text that looks like a phone number or an e-mail address.

    Lone surrogates, which no log can be written with, become escapes.
    """
    return _CONTACT_POINT.sub(_hide, text.encode("utf-8", "backslashreplace").decode())


def _masked(value: object) -> object:
    if isinstance(value, str):
        return mask_contact_points(value)
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {mask_contact_points(str(key)): _masked(item) for key, item in value.items()}
    return mask_contact_points(str(value))


def _mask_event(
    _: WrappedLogger, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if key not in _OURS:
            event[key] = _masked(value)
    return event


def _add_request(
    _: WrappedLogger, __: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


class _Repeats:
    """Drops a warning that says just what one said within the last minute.

    What waits for an absent database says so at every try: 50,000 lines an hour.
    """

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def __call__(
        self, _: WrappedLogger, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if event["level"] == "warning":
            said, at = repr(event), monotonic()
            if at - self._said.get(said, -_REPEATED_SECONDS) < _REPEATED_SECONDS:
                raise structlog.DropEvent
            if len(self._said) >= _MOST_SAID:
                self._said.clear()
            self._said[said] = at
        return event


def _as_json(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> str:
    return pydantic_core.to_json(event, fallback=str).decode()


def _renderer(settings: Settings) -> tuple[Processor, ...]:
    console = settings.log_format == "console" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    if console:
        return (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
    return (_as_json,)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Give the log of a module."""
    log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return log


def configure(settings: Settings) -> None:
    """Set up the logs of this process, those of uvicorn and every library included."""
    shared: tuple[Processor, ...] = (
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request,
    )
    last: tuple[Processor, ...] = (
        structlog.processors.format_exc_info,
        _mask_event,
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            shared[0],
            _Repeats(),
            *shared[1:],
            *last,
            *_renderer(settings),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
                *_renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # It writes the whole URL of each request that leaves.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # It names each of its own parts as it loads; which migrations ran is told all the same.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    # The line per request is ``app.platform.edge``'s: uvicorn's own shows paths and queries.
    logging.getLogger("uvicorn.access").disabled = True
