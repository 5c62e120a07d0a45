"""The packs that come with the registry, and an operator's own beside them."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .calendars import has_holidays
from .law import Law
from .packs import BadPack, Pack

FOLDER = Path(__file__).parent / "packs"


@dataclass(frozen=True, slots=True)
class OwnPack:
    """An operator's own pack: the text of a file, and its name to say what is wrong where."""

    file: str
    text: str


def read_pack(file: str, text: str) -> Pack:
    """Read a pack; ``file`` is only named where something is wrong.

    Raises:
        BadPack: it is no pack; of several faults the first.
    """
    from .reading import read  # noqa: PLC0415 - YAML is for whoever asks the law

    return read(file, text)


@lru_cache(maxsize=1)
def packaged() -> tuple[Pack, ...]:
    """Read the packs that come with the registry.

    Raises:
        BadPack: one of them is none.
    """
    return tuple(
        read_pack(file.name, file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.yaml"))
    )


@lru_cache(maxsize=4)
def the_law(own: OwnPack | None = None) -> Law:
    """Put the packs together.

    Raises:
        BadPack: an operator's own is none, or milder than the law; its message says where.
    """
    if own is None:
        return Law(packaged())
    pack = read_pack(own.file, own.text)
    if pack.role != "operator":
        raise BadPack(f"{own.file}:1: its role must be 'operator'")
    for hours in pack.hours:
        if hours.holidays is not None and not has_holidays(hours.holidays):
            raise BadPack(f"{hours.place}: the holidays of {hours.holidays} are not known")
    return Law((*packaged(), pack))
