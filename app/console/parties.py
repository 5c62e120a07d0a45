"""Who takes part: parties, channels and brands, listed and registered by a form."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts import Role, Visit
from app.parties import (
    BrandIn,
    ChannelIn,
    Party,
    PartyIn,
    TheVault,
    create_brand,
    create_channel,
    create_party,
    list_brands,
    list_channels,
    list_databases,
    list_parties,
)
from app.platform.clock import now
from app.platform.db import database_of
from app.platform.problems import Problem

from .doors import Form, signed_in
from .forms import BadForm, faults_of, read_form, slug_of, typed
from .lists import Asked
from .pages import go, page, pages, words_for

parties = pages("/parties")
channels = pages("/channels")
brands = pages("/brands")

Officer = Annotated[Visit, signed_in(Role.OFFICER)]
Admin = Annotated[Visit, signed_in(Role.ADMIN)]
Made = Callable[[AsyncSession], Awaitable[object]]

PARTY_KINDS = ("department", "subcontractor", "supplier")
CHANNEL_KINDS = (
    *("call_centre", "customer_service", "dpo", "email_provider", "sms_provider"),
    *("survey_provider", "web", "post", "other"),
)
_ALL = 10_000


@parties.get("")
async def show_parties(request: Request, visit: Officer) -> Response:
    """List parties with their channels and databases, and brands."""
    del visit
    t, asked = words_for(request), Asked(request)
    sought = (asked.text("q") or "").casefold()
    async with database_of(request).reading() as session:
        rows = await list_parties(session, limit=_ALL)
        heard = await list_channels(session, limit=_ALL)
        told = await list_databases(session)
        known = await list_brands(session, limit=_ALL)

    def fits(one: Party) -> bool:
        names = [one.name, *(part.name for part in heard if part.party == one.slug)]
        names += [part.name for part in told if part.party == one.slug]
        return (
            any(sought in name.casefold() for name in names)
            and asked.text("kind") in (None, one.kind)
            and asked.text("country") in (None, one.country)
        )

    return await page(
        request,
        "parties.html",
        rows=[one for one in rows if fits(one)],
        channels=_by_party(heard),
        databases=_by_party(told),
        brands=[one for one in known if sought in one.name.casefold()],
        any_brand=bool(known),
        kinds=[(kind, t(f"party.{kind}")) for kind in PARTY_KINDS],
        countries=sorted(
            {one.country: t.country(one.country) for one in rows}.items(), key=lambda one: one[1]
        ),
    )


def _by_party(rows: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - channels or databases
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.party, []).append(row)
    return found


@parties.get("/new")
async def ask_for_party(request: Request, visit: Admin) -> Response:
    """Ask who takes part."""
    del visit
    return await _ask_for_party(request, {"kind": "subcontractor"}, {})


async def _ask_for_party(
    request: Request, said: Mapping[str, str], faults: Mapping[str, str]
) -> Response:
    t = words_for(request)
    return await page(
        request,
        "party_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        kinds=[(kind, t(f"party.{kind}")) for kind in PARTY_KINDS],
        countries=t.countries(),
    )


@parties.post("/new")
async def register_party(request: Request, visit: Admin, fields: Form) -> Response:
    """Register a party."""
    signed_on, reference = typed(fields, "contract.signed_on"), typed(fields, "contract.reference")
    contract = {"reference": reference, "signed_on": signed_on}
    said = {
        "slug": typed(fields, "slug") or slug_of(typed(fields, "name")),
        "name": typed(fields, "name"),
        "kind": typed(fields, "kind"),
        "country": typed(fields, "country"),
        "contact_email": typed(fields, "contact_email"),
        "contract": contract if reference or signed_on else None,
    }

    async def make(session: AsyncSession) -> object:
        new = read_form(PartyIn, said).party()
        return await create_party(session, new, actor=visit.user.actor, at=now())

    return await _register(request, fields, make, _ask_for_party)


@channels.get("/new")
async def ask_for_channel(request: Request, visit: Admin) -> Response:
    """Ask where opt-outs come from."""
    del visit
    return await _ask_for_channel(request, {"kind": "call_centre"}, {})


async def _ask_for_channel(
    request: Request, said: Mapping[str, str], faults: Mapping[str, str]
) -> Response:
    t = words_for(request)
    async with database_of(request).reading() as session:
        rows = await list_parties(session, limit=_ALL)
    return await page(
        request,
        "channel_new.html",
        status=422 if faults else 200,
        said=said,
        faults=faults,
        kinds=[(kind, t(f"channel.{kind}")) for kind in CHANNEL_KINDS],
        parties=[(one.slug, one.name) for one in rows],
    )


@channels.post("/new")
async def register_channel(
    request: Request, visit: Admin, vault: TheVault, fields: Form
) -> Response:
    """Register a channel; how a provider speaks to it is set elsewhere."""
    said = {name: typed(fields, name) for name in ("slug", "name", "kind", "party")}
    said["slug"] = said["slug"] or slug_of(said["name"])

    async def make(session: AsyncSession) -> object:
        new = read_form(ChannelIn, said).channel()
        return await create_channel(session, vault, new, actor=visit.user.actor, at=now())

    return await _register(request, fields, make, _ask_for_channel)


@brands.get("/new")
async def ask_for_brand(request: Request, visit: Admin) -> Response:
    """Ask under which name people are approached."""
    del visit
    return await _ask_for_brand(request, {}, {})


async def _ask_for_brand(
    request: Request, said: Mapping[str, str], faults: Mapping[str, str]
) -> Response:
    status = 422 if faults else 200
    return await page(request, "brand_new.html", status=status, said=said, faults=faults)


@brands.post("/new")
async def register_brand(request: Request, visit: Admin, fields: Form) -> Response:
    """Register a brand."""
    name = typed(fields, "name")

    async def make(session: AsyncSession) -> object:
        new = read_form(BrandIn, {"slug": typed(fields, "slug") or slug_of(name), "name": name})
        actor = visit.user.actor
        return await create_brand(session, new.slug, name=new.name, actor=actor, at=now())

    return await _register(request, fields, make, _ask_for_brand)


async def _register(
    request: Request,
    fields: Mapping[str, str],
    make: Made,
    ask: Callable[[Request, Mapping[str, str], Mapping[str, str]], Awaitable[Response]],
) -> Response:
    """Make what a form asks for, or show the form again with what is wrong with it."""
    try:
        async with database_of(request).transaction() as session:
            await make(session)
    except (BadForm, Problem) as refusal:
        return await ask(request, fields, faults_of(refusal))
    return go(request, "/first-steps" if "first" in fields else "/parties")
