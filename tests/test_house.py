"""The house's own rules, those that import-linter cannot see. Each says what to do instead."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase

from app.main import create_app
from app.platform.problems import Problem, every_problem
from app.settings import Settings

ROOT = Path(__file__).parents[1]
GROUND = {"platform", "settings"}
PUBLIC = {
    "/docs",
    "/docs/assets/{name}",
    "/healthz",
    "/openapi.json",
    "/problems/{slug}",
    "/readyz",
    "/sign-in",
    "/invited/{ticket}",
    "/static/{mark}/{name}",
    "/sign-in/lost",
    "/c/{token}",
    "/copy/{token}",
    "/copy/{token}/consent.txt",
    "/p/{token}",
    "/p/{token}/copies",
    "/p/{token}/records",
    "/p/{token}/asked",
    "/p/{token}/confirm",
    "/p/{token}/saved",
    "/p/{token}/saved/{id}",
    "/p/{token}/told/{id}",
    "/u/{token}",
    "/objection",
    "/v1/inbound/{dialect}/{channel}",
}
"""What anybody may ask without a key: the list of the contract, and no more."""


def files(*folders: str) -> list[Path]:
    """List the Python files under these folders, each by its path from the root."""
    return sorted(
        file.relative_to(ROOT) for folder in folders for file in (ROOT / folder).rglob("*.py")
    )


def tree(file: Path) -> ast.Module:
    """Parse one of them."""
    return ast.parse((ROOT / file).read_text(), str(file))


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """List what a module imports absolutely, each with its line."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("file", files("app"), ids=str)
def test_rooms_use_each_others_front_door_only(file: Path) -> None:
    room = file.parts[1].removesuffix(".py")
    past_the_door = [
        f"{file}:{line} imports {name}; take it from app.{name.split('.')[1]}"
        for line, name in imported(tree(file))
        if name.startswith("app.") and name.count(".") > 1
        if name.split(".")[1] not in GROUND | {room}
    ]
    # Deeper in a room, or in a file that is run, an import cannot be relative.
    is_in_the_room = len(file.parts) == len(("app", room, "file.py")) and file.stem != "__main__"
    by_the_street = [
        f"{file}:{line} imports {name}; inside a room imports are relative"
        for line, name in imported(tree(file))
        if f"{name}.".startswith(f"app.{room}.") and is_in_the_room and room not in GROUND
    ]
    assert past_the_door + by_the_street == []


@pytest.mark.parametrize("file", files("app"), ids=str)
def test_only_the_database_file_commits_or_rolls_back(file: Path) -> None:
    calls = [
        f"{file}:{node.lineno} calls .{node.func.attr}(); raise, and let the edge end it"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"commit", "rollback"}
    ]
    assert bool(calls) == (file == Path("app/platform/db.py")), calls


@pytest.mark.parametrize("file", files("app", "migrations", "tests"), ids=str)
def test_no_file_is_longer_than_400_lines(file: Path) -> None:
    lines = len((ROOT / file).read_text().splitlines())
    assert lines <= 400, f"{file} has {lines} lines; give a part of it a file and a name"


def routes() -> list[RouteContext]:
    """List every route of the app, those left out of the reference too."""
    return list(iter_route_contexts(create_app(Settings()).routes))


def wants_a_key(dependant: Dependant) -> bool:
    """Tell whether a route or anything it depends on asks who is calling."""
    return isinstance(dependant.call, SecurityBase) or any(map(wants_a_key, dependant.dependencies))


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.methods} {route.path}")
def test_each_route_names_its_caller_or_is_public(route: RouteContext) -> None:
    dependant = route.dependant
    assert dependant is not None
    assert wants_a_key(dependant) != (route.path in PUBLIC), (
        f"{route.path}: take a caller by requires(...), or write it on the list of public ones"
    )


def test_the_list_of_public_routes_holds_nothing_that_is_gone() -> None:
    assert {route.path for route in routes()} >= PUBLIC


def ours() -> list[type[Problem]]:
    """List the problems of the app, without those that tests define."""
    create_app(Settings())
    return [problem for problem in every_problem() if problem.__module__.startswith("app.")]


def used(node: ast.AST) -> Iterator[str]:
    """List the names used in a module, but for where errors are documented or caught."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.ExceptHandler):
            yield from used(ast.Module(part.body, []))
        elif not (isinstance(part, ast.Call) and getattr(part.func, "id", "") == "responses"):
            yield from used(part)


USED = {name for file in files("app") for name in used(tree(file))}


@pytest.mark.parametrize("problem", ours(), ids=lambda problem: problem.type)
def test_each_kind_of_problem_is_raised_somewhere_and_explained(problem: type[Problem]) -> None:
    assert problem.__name__ in USED, f"nobody raises {problem.__name__}; delete it"
    assert cleandoc(problem.__dict__.get("__doc__") or ""), "its docstring is what is served"
    assert problem.title
    assert 400 <= problem.status < 600


def test_no_two_kinds_of_problem_share_a_name() -> None:
    types = [problem.type for problem in ours()]
    assert sorted(types) == sorted(set(types))


def test_a_server_holds_nothing_in_memory_that_only_others_need() -> None:
    # alembic is for an upgrade, httpx for commands and tests, rich for terminals, segno for
    # who enrols, numpy for scrubs, and calendars of holidays and YAML for whoever asks the law.
    needless = {"alembic", "holidays", "httpx", "numpy", "rich", "segno", "yaml"}
    look = "import sys, app.cli.serve, app.cli.processes, app.main; print(*sys.modules)"
    words = [sys.executable, "-c", look]
    loaded = subprocess.run(words, check=True, capture_output=True, cwd=ROOT, text=True)  # noqa: S603 - fixed words
    assert needless.intersection(loaded.stdout.split()) == set()
