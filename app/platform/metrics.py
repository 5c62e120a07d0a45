"""Metrics for Prometheus, on an address of their own.

No label holds a path, a key or a contact point: routes are named by their template. Several
processes share one set of figures when ``PROMETHEUS_MULTIPROC_DIR`` names a folder before this
file is imported: whoever starts them makes that folder, and serves. It stands on the ground
because every room may count.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import start_http_server as _listen
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_REQUESTS = Counter(
    "optout_http_requests_total", "Requests answered", ("method", "route", "status")
)
_SECONDS = Histogram(
    "optout_http_request_seconds",
    "Seconds from the first byte of a request to the last of its answer",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
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


def _registry(collectors: Sequence[Collector]) -> CollectorRegistry:
    registry = CollectorRegistry(support_collectors_without_names=True)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the package's own gap
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
