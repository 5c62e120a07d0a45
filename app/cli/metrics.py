"""Serving the metrics of a process and of those that it starts."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.delivery import Standings
from app.files import JobStandings
from app.intake import DoorStandings
from app.platform import metrics
from app.platform.logs import get_logger
from app.settings import Settings

from .root import fail

log = get_logger(__name__)


@contextmanager
def metrics_served(settings: Settings) -> Iterator[None]:
    """Serve the metrics; a default address that is taken costs the metrics, not the registry."""
    with ExitStack() as stack:
        try:
            told = (Standings(settings), DoorStandings(settings), JobStandings(settings))
            stack.enter_context(metrics.serving(settings.metrics_address, *told))
        except OSError as error:
            if "metrics_address" in settings.model_fields_set:
                fail(f"OPTOUT_METRICS_ADDRESS {settings.metrics_address}: {error.strerror}")
            log.warning("no metrics: another process has their address", reason=error.strerror)
        yield
