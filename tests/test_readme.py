"""The README says what is true: its settings, its files, and its lines as pasted."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from app.settings import Settings
from tests.servers import OPTOUT, serving

pytestmark = pytest.mark.own_postgres

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_that_of_the_code() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `OPTOUT_")]
    assert rows == [
        f"| `OPTOUT_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"\]\(([^):]+)\)|\b((?:tests|app|migrations|openapi)/[\w./]+\w)", README)
    paths = {link or path for link, path in named}
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_first_opt_out_works_as_pasted(tmp_path: Path) -> None:
    curls, commands = re.findall(r"```sh\n(.+?)```", README, re.DOTALL)[1:3]
    with serving(tmp_path / ".optout") as served:
        curls = curls.replace("http://127.0.0.1:8000", served.url)
        script = f"export OPTOUT_URL={served.url}\n{curls}\n{commands}"
        pasted = subprocess.run(
            ["/bin/bash", "-e"],
            input=script.replace(".venv/bin/optout", " ".join(OPTOUT)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert pasted.returncode == 0, pasted.stderr
    lines = pasted.stdout.splitlines()
    answers = [json.loads(line) for line in lines if line.startswith("{")]
    assert [answer["slug"] for answer in answers[:2]] == ["dakar", "agents-dakar"]
    assert [answer.get("decision") for answer in answers[2:]] == ["allow", None, "block"]
    assert any(line.startswith("block  +33 6 •• •• •• 02  voice") for line in lines)
    assert lines[-1] == "exit status 1: do not call"


def _shown(default: object) -> str:
    return "none" if default in (None, ()) else f"`{default}`"
