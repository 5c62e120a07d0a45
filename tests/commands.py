"""The client commands, run as a process or in this one."""

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from app.cli import (  # noqa: F401 - they hang their commands on the app
    client,
    importing,
    inbound,
    scrubbing,
    snapshot,
)
from app.cli.root import app
from tests.peers import Talk, peer
from tests.servers import OPTOUT, START_SECONDS, environment


@dataclass(frozen=True)
class Command:
    """Runs the command as a client of one registry."""

    url: str
    key: str = "optout_unread"

    def __call__(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run it as a process to its end, with ``given`` on standard input."""
        done = subprocess.run(  # noqa: S603 - the command under test
            [*OPTOUT, *words],
            env=environment(Path("absent"), {"OPTOUT_URL": self.url, "OPTOUT_KEY": self.key}),
            input=given,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
        )
        return subprocess.CompletedProcess(
            words, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def here(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run it in this process, which takes no second to start."""
        url = () if "--url" in words else ("--url", self.url)
        key = () if "--key" in words else ("--key", self.key)
        done = CliRunner().invoke(app, [*words, *url, *key], input=given, catch_exceptions=False)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


async def ask(talk: Talk, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process against a false registry."""
    async with peer(talk) as registry:
        return await asyncio.to_thread(Command(f"http://127.0.0.1:{registry.port}").here, *words)
