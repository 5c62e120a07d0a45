"""``optout demo``: plays the story once, and leaves nothing behind."""

from pathlib import Path
from tempfile import TemporaryDirectory

from app.cli.root import app, fail

from .narrator import Narrator
from .stage import Mishap, end_on_signals
from .story import play

_SHOWN = 2_000
"""Characters of each log that are shown when something goes wrong."""


@app.command()
def demo() -> None:
    """Play the whole story once, on real parts: one registry, five databases, three channels.

    Exit status 0 says that in the end every database's table was compared with the registry's
    list, and found equal.
    """
    end_on_signals()
    narrator = Narrator()
    with TemporaryDirectory(prefix="optout-demo-") as folder:
        try:
            same = play(narrator, Path(folder))
        except Mishap as mishap:
            fail(f"{mishap}\n{_ends_of_logs(Path(folder))}")
    if not same:
        fail("Not every table equals the registry's list.")
    narrator.say("All five tables equal the registry's list. Nothing of this is left behind.")


def _ends_of_logs(folder: Path) -> str:
    logs = [(log.name, log.read_text(errors="replace")) for log in sorted(folder.glob("*.log"))]
    return "\n".join(f"{name}:\n{text[-_SHOWN:]}" for name, text in logs if text)
