"""A running registry as client commands reach it: one connection, retries, refusals in words."""

import hashlib
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Annotated, Any

import httpx
import typer

from app.settings import read_settings

from .root import REFUSED, UNREACHABLE, fail, print_json

_LONGEST_WAIT = 10.0
"""Seconds; a registry that asks for more is not waited for."""

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

    def __init__(self, client: httpx.Client) -> None:
        """Take the client to send with; whoever made it closes it."""
        self._client = client

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
        for wait in waits:
            try:
                return self._post(path, body, headers)
            except Failed as failed:
                if failed.retry_after is None:
                    raise
                typer.echo(f"{failed}\nTrying again.", err=True)
                time.sleep(max(wait, failed.retry_after))
        return self._post(path, body, headers)

    def get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and read the answer.

        Raises:
            NoAnswer: there was none.
            Refused: the registry answered with a problem.
        """
        return self._send("GET", path, params=query)

    def send(
        self, path: str, content: Iterator[bytes], *, query: Mapping[str, Any], size: int | None
    ) -> dict[str, Any]:
        """Post a file as it is read, and read the answer; ``size`` in bytes, None: unknown.

        Raises:
            NoAnswer: there was none.
            Refused: the registry answered with a problem.
        """
        headers = {"Content-Type": "application/octet-stream"}
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
        return self._send("POST", path, json=body, headers=headers)

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


@contextmanager
def remote(
    url: str | None, key: str | None, *, as_json: bool, seconds: float
) -> Iterator[Registry]:
    """Open a registry for a block, and end the command if it fails or refuses.

    ``seconds`` is how long an answer may keep silent. The surroundings are not trusted: a proxy
    would read contact points, and a .netrc would replace the key.
    """
    settings = read_settings()
    if key is None and settings.key is not None:
        key = settings.key.get_secret_value()
    if not key:
        raise typer.BadParameter("a key is needed: OPTOUT_KEY, or --key")
    if not key.isascii() or not key.isprintable():
        raise typer.BadParameter("this is no key", param_hint="--key")
    headers = {"Authorization": f"Bearer {key}"}
    with connected(url or settings.url, headers, seconds=seconds) as registry:
        try:
            yield registry
        except Refused as refused:
            if as_json:
                print_json(refused.document)
            fail(str(refused), REFUSED)
        except NoAnswer as failed:
            fail(str(failed), UNREACHABLE)


@contextmanager
def connected(url: str, headers: Mapping[str, str], *, seconds: float) -> Iterator[Registry]:
    """Open a registry for a block, whatever it is to be shown; nothing is turned into an exit."""
    with httpx.Client(
        base_url=_base(url),
        headers=headers,
        timeout=httpx.Timeout(seconds, connect=5),
        trust_env=False,
        verify=ssl.create_default_context(),
    ) as client:
        yield Registry(client)


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
    after = response.headers.get("retry-after", "")
    retry_after = float(after) if after.isdigit() and float(after) <= _LONGEST_WAIT else None
    if response.is_server_error:
        return NoAnswer(_in_words(problem), retry_after or 0)
    return Refused(problem, retry_after)


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    return document if isinstance(document, dict) else None


def _stranger(response: httpx.Response) -> NoAnswer:
    message = f"{response.url} answered {response.status_code}, and not as a registry does."
    return NoAnswer(message, 0 if response.is_server_error else None)


def _in_words(problem: Mapping[str, Any]) -> str:
    """Write title, detail and pointers, the pointers a line each."""
    said = [str(problem[name]) for name in ("title", "detail") if problem.get(name)]
    faults = [f"  {each['pointer'] or '/'}: {each['detail']}" for each in problem.get("errors", [])]
    return "\n".join([": ".join(said), *faults])
