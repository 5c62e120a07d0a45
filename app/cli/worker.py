"""``optout worker``: the worker alone, beside a ``serve`` on another machine or on this one."""

from app.platform.supervision import is_supervised

from .figures import figures_shared
from .root import app


@app.command()
def worker() -> None:
    """Tell the databases, do the jobs and whatever else is due; any number of these may run."""
    if is_supervised():
        # Started by ``serve``, which serves the metrics of all its processes.
        from app import worker as process  # noqa: PLC0415 - it counts, see below

        process.main()
        return
    with figures_shared():
        from .processes import work  # noqa: PLC0415 - it counts, where the folder is named

        work()
