"""Batches read and written by hand say what the models would, and digests in bulk are the same."""

import random
import string
from datetime import timedelta
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.checks import ALLOW, UNUSABLE, Decided, Line, LookUps, decide_many
from app.checks.batch_models import BatchIn, BatchOut, ItemIn, render_batch
from app.checks.batches import digest_lines
from app.identifiers import Unusable, normalise, normalise_many
from app.journal import Kind, Media
from app.platform.clock import now
from app.platform.db import Database
from tests.acts import minute, phone
from tests.test_rotation import NEW, OLD, holding, start

BY_MODELS = TypeAdapter(list[ItemIn])

values = st.one_of(
    st.sampled_from(["0639980001", "", "x" * 400, "x" * 401, "a\0b", " ", "é", "r" * 201]),
    st.sampled_from([None, 1, True, ["0639980001"], {"phone": "1"}, 1.5]),
)
items: st.SearchStrategy[Any] = st.one_of(
    st.dictionaries(st.sampled_from(["ref", "phone", "email"]), st.just("0639980001")),
    st.dictionaries(
        st.sampled_from(["ref", "phone", "email", "siren", "customer", "medium", "Phone"]), values
    ),
    st.sampled_from([None, [], "0639980001", {}]),
)


@given(st.lists(items, max_size=3))
def test_lines_are_read_as_the_models_read_them(lines: list[Any]) -> None:
    body = pydantic_core.from_json(pydantic_core.to_json({"medium": "sms", "items": lines}))
    try:
        expected = [(one.ref, *next(one.given())) for one in BY_MODELS.validate_python(lines)]
    except ValidationError as refused:
        with pytest.raises(ValidationError) as raised:
            BatchIn.model_validate(body)
        faults = [(("items", *one["loc"]), one["msg"]) for one in refused.errors()]
        assert [(one["loc"], one["msg"]) for one in raised.value.errors()] == faults
    else:
        assert [tuple(one) for one in BatchIn.model_validate(body).items] == expected


def test_more_lines_than_ten_thousand_are_refused_however_plain() -> None:
    lines = [{"phone": "1"}] * 10_001
    with pytest.raises(ValidationError, match="10000"):
        BatchIn.model_validate({"medium": "sms", "items": lines})
    assert len(BatchIn.model_validate({"medium": "sms", "items": lines[:-1]}).items) == 10_000


def test_the_answer_that_is_written_by_hand_is_the_one_described() -> None:
    at = now()
    since = at.replace(microsecond=0) - timedelta(days=1)
    asked = BatchIn.model_validate(
        {"medium": "sms", "items": [{"phone": "1", "ref": 'é"\\\n'}, *[{"email": "a@b.fr"}] * 3]}
    ).items
    lines = [ALLOW, Line("block", "opted_out", since), UNUSABLE, ALLOW]
    written = bytes(render_batch(asked, Decided(7, lines), at=at).body)
    answer = BatchOut.model_validate_json(written)
    assert pydantic_core.from_json(answer.model_dump_json()) == pydantic_core.from_json(written)
    assert [(one.ref, *vars(one).values())[2:] for one in answer.results] == [*map(tuple, lines)]
    assert answer.results[0].ref == 'é"\\\n'
    assert (answer.position, answer.checked_at, vars(answer.counts)) == (
        *(7, at),
        {"allow": 2, "block": 1, "unusable": 1},
    )


_CHANCE = random.Random(7)  # noqa: S311 - texts to read, no secret
TEXTS = [
    *("06 39 98 00 01", "+33639980002", "a@example.com", "\xc9.b@Ex\xe4mple.com", "crm:7"),
    *("552100554", "552 100 554", "", " ", "x" * 1_001, "\ud800", "1", "\xe9"),
    *("".join(_CHANCE.choices(string.printable, k=9)) for _ in range(40)),
]


@pytest.mark.parametrize("kind", Kind)
def test_many_are_normalised_and_digested_as_one_is(database: Database, kind: Kind) -> None:
    keys = holding(database, NEW, OLD).keys.digests
    normals = normalise_many(kind, TEXTS, region="FR")
    digests = keys.digest_many(kind, normals)
    assert len(digests) == 2
    for text, normal, *found in zip(TEXTS, normals, *digests, strict=True):
        try:
            one = normalise(kind, text, region="FR")
        except Unusable:
            assert (normal, found) == (None, [None, None])
        else:
            assert normal == one.value
            assert tuple(found) == keys.digests(one)
    assert any(normals)
    assert None in normals


async def test_many_are_decided_under_every_live_key_as_one_is(database: Database) -> None:
    old = await start(holding(database, OLD))
    await old.object(*(phone(number) for number in range(4)), at=minute(3), media=Media.VOICE)
    await old.object(phone(1), at=minute(2), brand=1, media=Media.VOICE)
    await old.object(phone(2), at=minute(1), media=Media.SMS)
    new = await start(holding(database, NEW, OLD))
    await new.object(phone(5), phone(3), at=minute(4))
    await new.object(phone(6), at=minute(4), brand=2)
    look_ups = LookUps(database, new.keys.digests.numbers)
    asked = [(Kind.PHONE, f"+3363998{number:04}") for number in range(8)]
    asked += [(Kind.PHONE, "?"), (Kind.EMAIL, "a@example.com"), asked[1]]
    digests = await digest_lines(new.keys.digests, asked, region="FR")
    three = [Line("block", "opted_out", minute(number)) for number in range(5)]
    for brand, of_1, of_6 in (
        (None, three[2], three[4]),
        (2, three[3], three[4]),
        (3, three[3], ALLOW),
    ):
        decided = await decide_many(look_ups, digests, medium=Media.VOICE, brand=brand)
        assert decided.lines == [
            *(three[3], of_1, three[3], three[3], ALLOW, three[4], of_6, ALLOW),
            *(UNUSABLE, ALLOW, of_1),
        ]
    nobody = await decide_many(look_ups, [[], []], medium=Media.VOICE, brand=None)
    assert nobody == Decided(decided.position, [])
    await look_ups.stop()
