"""The processes of the demo: each with its log, none left when the block that started it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

_PYTHON = (sys.executable, "-P", "-m")
_START_SECONDS = 60
_STOP_SECONDS = 20


class Mishap(Exception):  # noqa: N818 - the word of the stage
    """Something did not go as it must; the message is for whoever watches."""


def surroundings(**more: str) -> dict[str, str]:
    """Write the environment of a process: without any setting of a registry that is in use."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPTOUT_")}
    # Receivers and the registry end with this process, even if it is killed.
    return kept | {"OPTOUT_SUPERVISOR": str(os.getpid())} | more


@contextmanager
def running(
    *words: str, log: Path, descriptors: tuple[int, ...] = (), **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python module for a block, apart from the terminal's Ctrl-C."""
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - modules of this package
            [*_PYTHON, *words],
            env=surroundings(**environment),
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        if process.poll() is None:
            process.kill()
            process.wait()


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Serve a registry of its own in a folder: its URL."""
    url = f"http://127.0.0.1:{(port := _free_port())}"
    with running(
        *("app.cli", "serve", "--port", str(port)),
        log=folder / "registry.log",
        OPTOUT_DATA_DIR=str(folder / "data"),
        OPTOUT_INTERNAL_NETWORKS="127.0.0.0/8",
        OPTOUT_METRICS_ADDRESS="",
    ) as process:
        deadline = time.monotonic() + _START_SECONDS
        while not _ready(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Mishap("The registry did not start.")
            time.sleep(0.05)
        yield url


def reserve_address() -> socket.socket:
    """Bind a port of loopback where nobody listens yet: connections are refused."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    return reserved


@contextmanager
def receiving(table: Path, address: socket.socket, secret: str) -> Iterator[None]:
    """Run a receiver of webhooks on a reserved address, which it takes over."""
    words = "app.cli.demo.receiver", str(table), str(address.fileno())
    inherited = (address.fileno(),)
    log = table.with_suffix(".log")
    with running(*words, log=log, descriptors=inherited, SIGNING_SECRET=secret):
        address.close()
        yield


@contextmanager
def pulling(table: Path, url: str, key: str) -> Iterator[None]:
    """Run a receiver that pulls."""
    words = "app.cli.demo.puller", str(table), url
    with running(*words, log=table.with_suffix(".log"), REGISTRY_KEY=key):
        yield


def command(*words: str, given: str, **environment: str) -> str:
    """Run the command ``optout`` to its end: what it printed."""
    done = subprocess.run(  # noqa: S603 - the command of this package
        [*_PYTHON, "app.cli", *words],
        env=surroundings(**environment),
        input=given,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise Mishap(f"optout {words[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def end_on_signals() -> None:
    """Let SIGTERM unwind what is open, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(signal.SIGTERM + 128))


def ignore_signals() -> None:
    """Let nothing interrupt the cleaning up."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
