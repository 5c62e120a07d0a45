"""The reference: committed, complete, and the app's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import create_app
from app.platform.openapi import written
from app.settings import Settings
from tests.conftest import Caller

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "openapi" / "v1.json"
EXAMPLES = json.loads((ROOT / "app/platform/assets/examples.json").read_text())
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


def test_names_of_schemas_are_words_of_the_api() -> None:
    # Where two models have one name FastAPI writes the path of the module, and clients with it.
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []


def test_each_tag_stands_once() -> None:
    tags = [operation["tags"] for operation in OPERATIONS.values()]
    assert [found for found in tags if len(found) != 1] == []


async def test_examples_are_taken_one_after_another(admin: httpx.AsyncClient) -> None:
    paths = {operation["operationId"]: name for name, operation in OPERATIONS.items()}
    # In the order of the story, which is that of the file and not that of the reference.
    for name, example in EXAMPLES.items():
        method, path = paths[name].split()
        described = OPERATIONS[paths[name]]
        assert described["requestBody"]["content"]["application/json"]["example"] == example
        answer = await admin.request(method, path, json=example)
        assert answer.is_success, (name, answer.text)
        headers = described["responses"][str(answer.status_code)].get("headers", {})
        assert ("Location" in headers) == ("location" in answer.headers), name


async def test_a_refused_key_is_answered_with_the_header_that_is_described(
    client: httpx.AsyncClient, caller: Caller
) -> None:
    checker = await caller("checks")
    for asking, status in ((client, 401), (checker, 403)):
        answer = await asking.get("/v1/brands")
        described = OPERATIONS["GET /v1/brands"]["responses"][str(status)]
        assert (answer.status_code, "www-authenticate" in answer.headers) == (status, True)
        assert "WWW-Authenticate" in described["headers"]
