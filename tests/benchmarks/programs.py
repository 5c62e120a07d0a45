"""The servers that are measured, each a process of its own, as production starts it."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers import OPTOUT, START_SECONDS, environment, free_port, serving

from .load import Target
from .registries import BUILD, Registry

_LOGS = BUILD / "bench"


@dataclass(frozen=True, slots=True)
class Program:
    """A running server; ``process`` is the number of the process that answers."""

    url: str
    process: int

    def target(self, path: str, key: str) -> Target:
        """Name one of its routes, as a caller with a key."""
        return Target(f"{self.url}{path}", key)

    @property
    def resident(self) -> float:
        """Tell how much memory its web process holds, in MiB."""
        status = Path(f"/proc/{self.process}/status").read_text(encoding="ascii")
        (kibibytes,) = (
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")
        )
        return kibibytes / 1024


@dataclass(frozen=True, slots=True)
class Receivers:
    """Receivers that take everything: where each listens, and where they tell what they saw."""

    control: str
    ports: Sequence[int]
    hanging: int

    def forget(self) -> None:
        """Begin to count anew."""
        httpx.post(f"{self.control}/forget").raise_for_status()

    def arrivals(self) -> list[dict[int, float]]:
        """Tell for each receiver when each position arrived first, on the monotonic clock."""
        seen = httpx.post(f"{self.control}/arrivals", timeout=60).raise_for_status().json()
        return [{int(position): at for position, at in one.items()} for one in seen]

    def rate(self) -> float:
        """Tell how many entries a second arrived."""
        return float(httpx.post(f"{self.control}/rate", timeout=60).raise_for_status().json())

    def await_position(self, position: int, seconds: float = 600) -> None:
        """Wait until every receiver has got this position.

        Raises:
            TimeoutError: one has not in time.
        """
        deadline = time.monotonic() + seconds
        while httpx.post(f"{self.control}/least", timeout=60).raise_for_status().json() < position:
            if time.monotonic() > deadline:
                raise TimeoutError(f"position {position} has not reached every receiver")
            time.sleep(0.05)


@contextmanager
def optout_serve(registry: Registry) -> Iterator[Program]:
    """Run ``optout serve`` on a registry, as it is shipped: one web process, one worker."""
    with serving(_LOGS / registry.name, port=free_port(), **_variables(registry)) as served:
        yield Program(served.url, served.process.pid)
    served.log.unlink()


@contextmanager
def worker(registry: Registry) -> Iterator[None]:
    """Run ``optout worker`` on a registry."""
    with _running([*OPTOUT, "worker"], f"{registry.name}-worker", _variables(registry)):
        yield


@contextmanager
def receivers(number: int) -> Iterator[Receivers]:
    """Run receivers, and one more that never answers, all in one process."""
    words = [sys.executable, "-m", "tests.benchmarks.receivers", str(number)]
    with _running(words, "receivers", {}) as process:
        if process.stdout is None:
            raise RuntimeError("the receivers were started without a pipe")
        ports = json.loads(process.stdout.readline())
        yield Receivers(f"http://127.0.0.1:{ports[0]}", ports[1:-1], ports[-1])


@contextmanager
def floor(module: str, registry: Registry) -> Iterator[Program]:
    """Run one of the floors, ``bare`` or ``plain``, until its port answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = [sys.executable, "-m", f"tests.benchmarks.{module}", str(port)]
    with (
        tempfile.TemporaryDirectory(prefix="optout-metrics-") as figures,
        _running(
            words, module, registry.environment | {"PROMETHEUS_MULTIPROC_DIR": figures}
        ) as process,
    ):
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module} does not start")
            time.sleep(0.05)
        yield Program(url, process.pid)


def run_to_end(module: str, *words: str, variables: Mapping[str, str]) -> str:
    """Run a program of this folder to its end: what it printed."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *words]
    with _running(command, module, variables) as process:
        printed, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{module} failed")
    return printed.decode()


@contextmanager
def _running(
    words: Sequence[str], name: str, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the end of the block; its log is kept only when something failed."""
    log = _LOGS / f"{name}.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(  # noqa: S603 - our own programs
            words,
            env=environment(_LOGS, variables),
            cwd=BUILD.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
    log.unlink()


def _variables(registry: Registry) -> dict[str, str]:
    return registry.environment | {
        "OPTOUT_METRICS_ADDRESS": "127.0.0.1:0",
        "OPTOUT_INTERNAL_NETWORKS": "127.0.0.1/32",
    }


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz").is_success
    return False
