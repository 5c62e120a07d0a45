"""What would slow every request, and nobody would see in a test of what it answers."""

from collections.abc import Iterator
from inspect import isasyncgenfunction, iscoroutinefunction

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute


def _parts(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _parts(each)


def _waits_for_a_thread(part: Dependant) -> bool:
    call = part.call if hasattr(part.call, "__code__") else getattr(part.call, "__call__", None)  # noqa: B004 - it is read, not tested for
    return not (iscoroutinefunction(call) or isasyncgenfunction(call))


async def test_no_route_and_nothing_it_depends_on_waits_for_a_thread(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 30
    slow = {
        f"{route.path}: {getattr(part.call, '__qualname__', part.call)}"
        for route in routes
        for part in _parts(route.dependant)
        if _waits_for_a_thread(part)
    }
    assert sorted(slow) == []
