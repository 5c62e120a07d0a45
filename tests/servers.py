"""Real processes and real sockets, for tests that need either."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from starlette.types import ASGIApp

OPTOUT = (sys.executable, "-P", "-m", "app.cli")
START_SECONDS = 60


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app on loopback in this event loop, with its lifespan: its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False)
        server = uvicorn.Server(config)
        served = asyncio.create_task(server.serve([listener]))
        while not server.started:
            if served.done():
                await served
                raise RuntimeError("the app did not start")
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await served


def free_port() -> int:
    """Find a port of loopback that nobody listens to, and that no connection will be given.

    The kernel gives connections ports from 32768 on: one of those can be taken until it is used.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def environment(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Write the environment of a command that uses a data folder."""
    return {
        **os.environ,
        "OPTOUT_DATA_DIR": str(folder),
        "OPTOUT_METRICS_ADDRESS": "",
        **given,
    }


def optout(*words: str, folder: Path, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; ``given`` are variables of its environment."""
    return subprocess.run(  # noqa: S603 - the command under test
        [*OPTOUT, *words],
        env=environment(folder, given),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@dataclass(frozen=True, slots=True)
class Served:
    """A running ``optout serve`` and where it answers."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path
    log: Path

    @property
    def admin_key(self) -> str:
        """The key that its first start wrote."""
        return (self.folder / "admin.key").read_text(encoding="ascii").strip()

    def admin(self) -> httpx.AsyncClient:
        """Make a client with that key; the caller closes it."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.admin_key}"}, timeout=30
        )

    def end(self, by: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """Send a signal and wait: the exit status."""
        self.process.send_signal(by)
        return self.process.wait(seconds)


@contextmanager
def serving(folder: Path, *options: str, port: int | None = None, **given: str) -> Iterator[Served]:
    """Run ``optout serve`` on a data folder in a session of its own, until it is ready.

    ``given`` are variables of its environment. What it prints goes to a file beside the folder.
    """
    port = port or free_port()
    log = folder.with_name(f"{folder.name}-{port}.log")
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - the command under test
            [*OPTOUT, "serve", "--port", str(port), *options],
            env=environment(folder, given),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    served = Served(process, f"http://127.0.0.1:{port}", folder, log)
    try:
        _await_ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait()


def _await_ready(served: Served) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"{served.url}/readyz").status_code == httpx.codes.OK:
                return
        if served.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"not ready:\n{served.log.read_text(encoding='utf-8')}")
        time.sleep(0.05)
