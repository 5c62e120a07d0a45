"""A running registry as client commands reach it: one connection, retries, refusals in words."""

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Annotated, Any

import httpx
import typer

from app.settings import read_settings

from .root import REFUSED, UNREACHABLE, fail, print_json

_TOO_MANY = 429
_LONGEST_WAIT = 10.0
"""Seconds; a registry that asks for more is not waited for."""

WAITS = (1.0, 3.0)
"""Seconds before what may be said twice is said a second and a third time."""

Url = Annotated[str | None, typer.Option("--url", help="The registry; left out: OPTOUT_URL.")]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="The key to present; left out: OPTOUT_KEY, which unlike this is not shown by `ps`.",
    ),
]


class Failed(Exception):  # noqa: N818 - as its two kinds
    """A request that came to nothing; ``retry_after`` seconds later it may, None: it will not."""

    def __init__(self, message: str, retry_after: float | None) -> None:
        """Take the sentence to show."""
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def passes_soon(self) -> bool:
        """Tell whether it is worth waiting for by whoever is waited for himself."""
        return self.retry_after is not None and self.retry_after <= _LONGEST_WAIT


class NoAnswer(Failed):
    """The registry was not reached, did not answer in time, or could not answer."""


class Refused(Failed):
    """The registry refused: its problem document (RFC 9457), and the same in words."""

    def __init__(self, document: Mapping[str, Any], retry_after: float | None) -> None:
        """Take the problem as it came."""
        super().__init__(_in_words(document), retry_after)
        self.document = document


class Registry:
    """Requests to one registry, and its answers read."""

    def __init__(self, client: httpx.Client, *, within: float | None = None) -> None:
        """Take the client to send with, which whoever made it closes.

        ``within`` is how many seconds a whole answer to a document may take, None: as long as it
        keeps coming.
        """
        self._client = client
        self._within = within

    @property
    def name(self) -> str:
        """Name registry and key without telling the key, so that another one is noticed."""
        asked = f"{self._client.base_url} {self._client.headers.get('authorization')}"
        return hashlib.sha256(asked.encode()).hexdigest()

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        waits: tuple[float, ...] = (),
    ) -> dict[str, Any]:
        """Post a document and read the answer; ``waits``: seconds before each further try.

        Raises:
            NoAnswer: the last try had none.
            Refused: the registry answered with a problem.
        """
        return until_answered(lambda: self._post(path, body, headers), waits)

    def get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and read the answer.

        Raises:
            NoAnswer: there was none.
            Refused: the registry answered with a problem.
        """
        return self._send("GET", path, params=query)

    def send(
        self,
        path: str,
        content: Iterator[bytes],
        *,
        query: Mapping[str, Any],
        size: int | None,
        once: str,
    ) -> dict[str, Any]:
        """Post a file as it is read, and read the answer; ``size`` in bytes, None: unknown.

        ``once`` is its ``Idempotency-Key``.

        Raises:
            NoAnswer: there was none.
            Refused: the registry answered with a problem.
        """
        headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": once}
        if size is not None:
            headers["Content-Length"] = str(size)
        return self._send("POST", path, content=content, params=query, headers=headers)

    def hand_over(self, path: str, body: bytes) -> dict[str, Any]:
        """Post bytes as they are, and read the answer.

        Raises:
            NoAnswer: there was none.
            Refused: the registry answered with a problem.
        """
        return self._send("POST", path, content=body)

    def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> dict[str, Any]:
        if self._within is None:
            return self._send("POST", path, json=body, headers=headers)
        return self._in_time(
            lambda: self._send("POST", path, json=body, headers=headers), self._within
        )

    def _in_time(self, ask: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
        """Give up a whole request after so long, for an answer may come byte by byte."""
        ended: list[dict[str, Any] | Exception] = []

        def run() -> None:
            try:
                ended.append(ask())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                ended.append(error)

        # Whoever closes the client, or ends the process, ends it.
        asking = threading.Thread(target=run, daemon=True)
        asking.start()
        asking.join(seconds)
        if not ended:
            raise NoAnswer(f"{self._client.base_url} did not answer within {seconds:g} seconds.", 0)
        if isinstance(ended[0], Exception):
            raise ended[0]
        return ended[0]

    def _send(self, method: str, path: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - as httpx takes them
        with self.stream(method, path, **how) as response:
            response.read()
        document = _object(response)
        if document is None:
            raise _stranger(response)
        return document

    @contextmanager
    def stream(self, method: str, path: str, **how: Any) -> Iterator[httpx.Response]:  # noqa: ANN401 - as httpx takes them
        """Send a request and give the answer, unread, if it is a success.

        Raises:
            NoAnswer: there was none, or it broke off inside the block.
            Refused: the registry answered with a problem.
        """
        try:
            with self._client.stream(method, path, **how) as response:
                if not response.is_success:
                    response.read()
                    raise _failure(response)
                yield response
        except httpx.RequestError as error:
            # Some of its kinds, time-outs above all, say nothing but their name.
            reason = str(error) or type(error).__name__
            message = f"{self._client.base_url} cannot be reached: {reason}"
            raise NoAnswer(message, 0) from error
        except UnicodeEncodeError:
            # Arguments are bytes to the system, and need not be text.
            raise typer.BadParameter("a value is no text in UTF-8") from None


def until_answered(ask: Callable[[], dict[str, Any]], waits: tuple[float, ...]) -> dict[str, Any]:
    """Ask until there is an answer; ``waits``: seconds before each further try.

    Raises:
        NoAnswer, Refused: as the last try did, or one that no time helps.
    """
    for wait in waits:
        try:
            return ask()
        except Failed as failed:
            if not failed.passes_soon:
                raise
            typer.echo(f"{failed}\nTrying again.", err=True)
            time.sleep(max(wait, failed.retry_after or 0))
    return ask()


@contextmanager
def remote(
    url: str | None,
    key: str | None,
    *,
    as_json: bool,
    seconds: float,
    within: float | None = None,
) -> Iterator[Registry]:
    """Open a registry for a block, and end the command if it fails or refuses.

    ``seconds`` is how long an answer may keep silent, ``within`` how long it may take in all. The
    surroundings are not trusted: a proxy would read contact points, and a .netrc would replace the
    key.
    """
    settings = read_settings()
    if key is None and settings.key is not None:
        key = settings.key.get_secret_value()
    if not key:
        raise typer.BadParameter("a key is needed: OPTOUT_KEY, or --key")
    if not key.isascii() or not key.isprintable():
        raise typer.BadParameter("this is no key", param_hint="--key")
    headers = {"Authorization": f"Bearer {key}"}
    with connected(url or settings.url, headers, seconds=seconds, within=within) as registry:
        try:
            yield registry
        except Refused as refused:
            if as_json:
                print_json(refused.document)
            fail(str(refused), REFUSED)
        except NoAnswer as failed:
            fail(str(failed), UNREACHABLE)


@contextmanager
def connected(
    url: str, headers: Mapping[str, str], *, seconds: float, within: float | None = None
) -> Iterator[Registry]:
    """Open a registry for a block, whatever it is to be shown; nothing is turned into an exit."""
    with httpx.Client(
        base_url=_base(url),
        headers=headers,
        timeout=httpx.Timeout(seconds, connect=5),
        trust_env=False,
        verify=ssl.create_default_context(),
    ) as client:
        yield Registry(client, within=within)


def _base(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        base = httpx.URL()
    if base.scheme not in {"http", "https"} or not base.host or base.userinfo:
        raise typer.BadParameter("an address as https://registry.example.com is needed")
    return base


def _failure(response: httpx.Response) -> Failed:
    """Read an answer that is no success."""
    problem = _object(response)
    if problem is None or response.headers.get("content-type") != "application/problem+json":
        return _stranger(response)
    if response.is_server_error:
        return NoAnswer(_in_words(problem), _retry_after(response) or 0)
    return Refused(problem, _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    """Read how many seconds to wait, which stand there as such or as a time (RFC 9110, 10.2.3)."""
    said = response.headers.get("retry-after", "")
    if said.isdecimal():
        return float(said)
    try:
        at = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) else None


def _stranger(response: httpx.Response) -> NoAnswer:
    message = f"{response.url} answered {response.status_code}, and not as a registry does."
    passes = response.is_server_error or response.status_code == _TOO_MANY
    return NoAnswer(message, _retry_after(response) or 0 if passes else None)


def _in_words(problem: Mapping[str, Any]) -> str:
    """Write title, detail and pointers, the pointers a line each."""
    said = [str(problem[name]) for name in ("title", "detail") if problem.get(name)]
    faults = [f"  {each['pointer'] or '/'}: {each['detail']}" for each in problem.get("errors", [])]
    return "\n".join([": ".join(said), *faults])
