"""Metrics for Prometheus, on an address of their own.

No label holds a path, a key or a contact point: routes are named by their template. Several
processes share one set of figures when ``PROMETHEUS_MULTIPROC_DIR`` names a folder before this
file is imported: whoever starts them makes that folder, and serves. It stands on the ground
because every room may count.
"""

import asyncio
import os
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import start_http_server as _listen
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db import Database, Unavailable
from app.platform.logs import get_logger
from app.settings import Settings

_REQUESTS = Counter(
    "optout_http_requests_total", "Requests answered", ("method", "route", "status")
)
_SECONDS = Histogram(
    "optout_http_request_seconds",
    "Seconds from the first byte of a request to the last of its answer",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_FRESH_SECONDS = 1.0
_ANSWER_SECONDS = 5
_OF_THE_DEAD = "0"
"""Stands where the number of a process does in the names of its files."""
_PAGES = 1 << 16
_folding = threading.Lock()
_log = get_logger(__name__)
_requests: dict[tuple[str, str, int], Counter] = {}
_seconds: dict[tuple[str, str], Histogram] = {}


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; ``route`` is the template, as ``/v1/opt-outs/{id}``."""
    counter = _requests.get((method, route, status))
    if counter is None:
        counter = _requests[method, route, status] = _REQUESTS.labels(method, route, str(status))
        _seconds.setdefault((method, route), _SECONDS.labels(method, route))
    counter.inc()
    _seconds[method, route].observe(seconds)


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """Make a counter of something that every process may see happen."""
    return Counter(name, meaning, labels)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), *, buckets: Sequence[float]
) -> Histogram:
    """Make a histogram; over several processes it is added up too."""
    return Histogram(name, meaning, labels, buckets=buckets)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """Make a gauge of which, over several processes, the value set last counts."""
    return Gauge(name, meaning, labels, multiprocess_mode="livemostrecent")


class Scraped(Collector, ABC):
    """What is read from PostgreSQL at each scrape, at most once a second.

    So it is right whichever process is asked, and when every worker is dead.
    """

    def __init__(self, settings: Settings) -> None:
        """Take where the registry is; nothing is read before a scrape."""
        self._settings = settings.model_copy(
            update={"statement_timeout_seconds": _ANSWER_SECONDS, "read_pool_size": 1}
        )
        self._lock = threading.Lock()
        self._read_at = -_FRESH_SECONDS
        self._found: Sequence[Metric] = []

    @abstractmethod
    def describe(self) -> Sequence[Metric]:
        """Name what is told, without reading it."""

    @abstractmethod
    async def read(self, session: AsyncSession) -> Sequence[Metric]:
        """Read what is told."""

    def away(self) -> Sequence[Metric]:
        """Say what can be said without PostgreSQL: nothing."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Read what is told, unless it was just now."""
        with self._lock:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._found = asyncio.run(self._read())
                self._read_at = time.monotonic()
            return self._found

    async def _read(self) -> Sequence[Metric]:
        if self._settings.database_url is None:
            return self.describe()
        url = self._settings.database_url.get_secret_value()
        database = Database.open(url, self._settings)
        try:
            async with database.reading() as session:
                return await self.read(session)
        except Unavailable:
            return self.away()
        finally:
            await database.close()


def fold_dead(folder: Path) -> None:
    """Put together what dead processes counted in a folder of figures, and forget what they set.

    Each that ends would leave its files until the whole ends, and every scrape reads them all. For
    the process that started them, and that alone serves them.
    """
    with _folding:
        dead: dict[str, list[Path]] = {}
        for file in folder.glob("*_*.db"):
            kind, *_, number = file.stem.split("_")
            if number != _OF_THE_DEAD and not Path("/proc", number).exists():
                dead.setdefault(kind, []).append(file)
        for kind, files in dead.items():
            if kind != "gauge":
                _add_up(folder / f"{kind}_{_OF_THE_DEAD}.db", files)
            for file in files:
                file.unlink(missing_ok=True)


def _add_up(total: Path, files: Sequence[Path]) -> None:
    """Add what files tell to what a file tells."""
    told: dict[str, float] = {}
    for file in (total, *files):
        for key, value in _read(file):
            told[key] = told.get(key, 0.0) + value
    fresh = total.with_suffix(".new")
    with fresh.open("wb") as out:
        # On a full disk this fails, where writing to a map would end the process.
        os.posix_fallocate(out.fileno(), 0, _PAGES + sum(file.stat().st_size for file in files))
    written = MmapedDict(fresh)  # type: ignore[no-untyped-call]  # the package's own gap
    for key, value in told.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]  # the package's own gap
    written.close()  # type: ignore[no-untyped-call]  # the package's own gap
    fresh.replace(total)


def _read(file: Path) -> list[tuple[str, float]]:
    try:
        found = MmapedDict.read_all_values_from_file(file)  # type: ignore[no-untyped-call]  # the package's own gap
        return [(key, value) for key, value, *_ in found]
    except FileNotFoundError:
        return []
    except (RuntimeError, ValueError, struct.error):
        # Its process was killed as it made it; left there, it would fail every scrape.
        _log.warning("the figures of a dead process cannot be read", file=file.name)
        return []


class _Shared(MultiProcessCollector):
    """What several processes count, read while nobody moves it from file to file."""

    def collect(self) -> Iterable[Metric]:
        with _folding:
            return [*super().collect()]  # type: ignore[no-untyped-call]  # the package's own gap


def _registry(collectors: Sequence[Collector]) -> CollectorRegistry:
    registry = CollectorRegistry(support_collectors_without_names=True)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        _Shared(registry)  # type: ignore[no-untyped-call]  # the package's own gap
    else:
        registry.register(REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return registry


@contextmanager
def serving(address: str, *collectors: Collector) -> Iterator[int | None]:
    """Serve the metrics on ``host:port`` in a thread for the length of a block.

    Collectors are asked at each scrape, in a thread of its own.

    Yields the port, which is the free one that was found for port 0; an empty address serves
    nothing and yields None.

    Raises:
        OSError: the address is taken.
    """
    if not address:
        yield None
        return
    host, _, port = address.rpartition(":")
    server, thread = _listen(int(port), host.strip("[]"), _registry(collectors))
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
