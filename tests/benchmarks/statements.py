"""The SQL of one opt-out as a pgbench script, overheard from the code itself.

What the script leaves out is all that is ours: HTTP, validation, digests, sealing, Python.
"""

import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event

from app.identifiers import Identifier
from app.intake.opt_outs import OptOut
from app.intake.receipts import accept
from app.journal import EVERY_BRAND, EVERY_MEDIUM, Kind, Reason
from app.platform.clock import now
from app.platform.ids import new_id
from app.points import PointKeys, find_point

from .registries import Registry

_SOMEBODY = Identifier(Kind.PHONE, "+33639980001")
_REFERENCE = "overheard"


async def overhear(registry: Registry) -> str:
    """Take one opt-out and write what it sent to PostgreSQL as a script about random people."""
    keys = PointKeys.from_settings(registry.settings)
    heard: list[tuple[str, Sequence[Any]]] = []

    def hear(*said: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own signature
        heard.append((said[2], said[3]))

    at = now()
    opt_out = OptOut(
        *(new_id(), at, at, 1, Reason.OBJECTION, EVERY_MEDIUM, EVERY_BRAND),
        key=1,
        reference=_REFERENCE,
    )
    async with registry.opened() as database:
        event.listen(database.write_engine.sync_engine, "before_cursor_execute", hear)
        async with database.transaction() as session:
            await accept(session, keys, opt_out, [_SOMEBODY])
            said = [*heard]
            point = await find_point(session, keys, _SOMEBODY)
    changing = {
        keys.digests.digest(_SOMEBODY)[1]: "substring(sha256(int8send(:person)) FOR 16)",
        point: ":id",
        _REFERENCE: "CAST(:person AS text)",
    }
    return _script(said, changing)


def _script(heard: Sequence[tuple[str, Sequence[Any]]], changing: Mapping[Any, str]) -> str:
    """Write statements with their parameters in place, of which some change each time."""
    lines = ["\\set person random(1, 1000000000000000)", "BEGIN;"]
    for statement, parameters in heard:
        values = {f"${n}": _expression(one, changing) for n, one in enumerate(parameters, start=1)}
        text = "".join(values.get(part, part) for part in re.split(r"(\$\d+)", statement))
        # The number of the contact point is what later statements name.
        lines.append(text.strip() + (" \\gset" if "INSERT INTO contact_points" in text else ";"))
    return "\n".join([*lines, "COMMIT;", ""])


def _expression(value: object, changing: Mapping[Any, str]) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(_expression(one, changing) for one in value)}]"
    if value in changing:
        return changing[value]
    if isinstance(value, UUID | datetime):
        return "uuidv7()" if isinstance(value, UUID) else "now()"
    if isinstance(value, bytes):
        return f"CAST('\\x{value.hex()}' AS bytea)"
    if isinstance(value, int | None):
        return "NULL" if value is None else str(int(value))
    raise TypeError(f"no way to write a {type(value).__name__} in SQL")


def per_second(binaries: Path, registry: Registry, script: Path, *, seconds: int) -> float:
    """Run a script by 32 clients of pgbench: transactions a second."""
    done = subprocess.run(  # noqa: S603 - pgbench of the embedded PostgreSQL
        [
            *(str(binaries / "pgbench"), "--no-vacuum", "--protocol=prepared"),
            *("--client=32", "--jobs=2", f"--time={seconds}", f"--file={script}", registry.url),
        ],
        env={"PGOPTIONS": "-c jit=off"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed:\n{done.stderr}")
    return float(found[1])
