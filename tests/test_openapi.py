"""The reference: committed, complete, and the app's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from app.platform.openapi import written
from app.settings import Settings

COMMITTED = Path(__file__).parents[1] / "openapi" / "v1.json"
DOCUMENT = create_app(Settings()).openapi()


OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_the_committed_reference_is_the_apps_own() -> None:
    committed = COMMITTED.read_text() if COMMITTED.exists() else ""
    assert committed == written(DOCUMENT), "the API changed; write it down with: make openapi"


def test_each_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_says_what_it_does_and_how_it_refuses(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation.get("description")
    if name == "POST /v1/inbound/{dialect}/{channel}":
        assert "security" not in operation, "the provider's own signature is the key"
    elif name.split()[1].startswith("/v1/"):
        ((scheme, scopes),) = operation["security"][0].items()
        assert scheme == "key"
        assert scopes
    for status, answer in operation["responses"].items():
        assert answer["description"], status
        if int(status) >= 400:
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }, status


def test_each_field_that_is_sent_or_answered_has_a_type() -> None:
    def untyped(schema: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if isinstance(schema, list):
            for number, part in enumerate(schema):
                yield from untyped(part, f"{place}/{number}")
        elif isinstance(schema, dict):
            for name, part in schema.get("properties", {}).items():
                if not {"type", "$ref", "anyOf", "oneOf", "allOf", "const", "enum"} & set(part):
                    yield f"{place}/{name}"
            for name, part in schema.items():
                yield from untyped(part, f"{place}/{name}")

    assert list(untyped(DOCUMENT["components"]["schemas"], "")) == []
