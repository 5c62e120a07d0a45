"""The routes of databases: registering them, telling them otherwise, seeing how they stand."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request

from app.journal import Scope
from app.parties import (
    AlreadyExists,
    Caller,
    Directory,
    Forbidden,
    RegisteredDatabase,
    TheDirectory,
    UnknownBrand,
    UnknownParty,
    change_database,
    list_databases,
    requires,
)
from app.platform.clock import now
from app.platform.db import ReadSession, Session, database_of
from app.platform.http import ForbiddenDestination
from app.platform.idempotency import Once
from app.platform.openapi import responses
from app.platform.pages import Page, PageQuery, cut
from app.platform.refusals import NotFound
from app.platform.web import router
from app.platform.wire import Slug
from app.points import PointKeys, ThePointKeys

from . import acts
from . import models as wire
from .databases import (
    Standing,
    add_database,
    find_for,
    is_told_alike,
    read_standings,
    recall_otherwise,
    remove_database,
    tell_otherwise,
    treat_poison,
)
from .endpoints import WeakFormat
from .settling import list_attempts

databases = router("/v1/databases", "databases")

Reader = Annotated[Caller, requires("parties:read")]
Writer = Annotated[Caller, requires("parties:write")]
Admin = Annotated[Caller, requires("admin")]
_ADMIN_ONLY = ("media", "brands", "kinds", "delivery")


@databases.post(
    "",
    status_code=201,
    responses=responses(
        AlreadyExists, UnknownParty, UnknownBrand, ForbiddenDestination, WeakFormat
    ),
)
async def register_database(
    request: Request,
    body: wire.DatabaseIn,
    caller: Admin,
    session: Session,
    once: Once,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.DatabaseIssued:
    """Register a prospecting database, to be told from now on.

    The secrets are shown once. A destination that is refused is refused here where that can be
    told; what its name resolves to is judged at each request.
    """
    await once.replay(by=caller.key)
    _require_allowed(body.delivery, request)
    at, new = now(), await body.database(directory)
    database, secrets = await add_database(session, keys.vault, new, actor=caller.actor, at=at)
    standing = await _standing(session, keys, database)
    answer = await wire.DatabaseIssued.with_secrets(standing, directory, secrets)
    return await once.remember(
        answer,
        location=f"/v1/databases/{body.slug}",
        without=("signing_secret", "identifier_key"),
    )


@databases.get("")
async def read_databases(
    query: Annotated[PageQuery, Query()],
    caller: Reader,
    session: ReadSession,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> Page[wire.DatabaseOut]:
    """List databases with how each stands, in the order in which they were registered.

    A key that is bound to one sees that one alone.
    """
    after = query.after(int)
    rows = await list_databases(
        session, limit=query.limit + 1, after=0 if after is None else after[0]
    )
    if caller.database is not None:
        own = await list_databases(session, limit=1, after=caller.database - 1)
        rows = [row for row in own if row.id == caller.database]
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    standings = await read_standings(session, keys.vault, page, at=now())
    items = [await wire.DatabaseOut.of(one, directory) for one in standings]
    return Page(items=items, next_cursor=next_cursor)


@databases.get("/{slug}")
async def read_database(
    slug: Slug, caller: Reader, session: ReadSession, keys: ThePointKeys, directory: TheDirectory
) -> wire.DatabaseOut:
    """Tell how a database stands."""
    standing = await _standing(session, keys, await find_for(session, slug, caller))
    return await wire.DatabaseOut.of(standing, directory)


@databases.patch(
    "/{slug}", responses=responses(UnknownParty, UnknownBrand, ForbiddenDestination, WeakFormat)
)
async def change_registration(
    request: Request,
    slug: Slug,
    body: wire.DatabaseChange,
    caller: Writer,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.DatabaseIssued:
    """Change a database. Its slug stays.

    Another URL, zone, format, medium, brand or kind needs `admin` and starts it again from the
    beginning: cursors given before expire. A first `hmac-sha256` brings its key, shown once. Where
    nothing but `recall_url` differs, which needs `admin` too, all else goes on as it is.
    """
    redirected = body.given(*_ADMIN_ONLY)
    if redirected and not caller.is_admin:
        raise Forbidden(f"Changing {', '.join(redirected)} needs the scope admin.")
    at, issued = now(), None
    named = body.given("name", "party")
    database = await find_for(session, slug, caller)
    if named:
        database = await change_database(session, slug, named, actor=caller.actor, at=at)
    if body.given("on_poison"):
        await treat_poison(session, database, body.on_poison, actor=caller.actor, at=at)
    if redirected:
        if "delivery" in redirected:
            _require_allowed(body.delivery, request)
        before = await _standing(session, keys, database)
        scope = await _scope(before.follower.scope, redirected, directory)
        way, known = before.endpoint.way, before.endpoint.way
        if "delivery" in redirected:
            way = body.delivery.way
        actor = caller.actor
        if scope == before.follower.scope and way != known and is_told_alike(known, way):
            await recall_otherwise(session, keys.vault, database, way, actor=actor, at=at)
        else:
            issued = await tell_otherwise(
                session, keys.vault, database, scope=scope, way=way, actor=actor, at=at
            )
    standing = await _standing(session, keys, database)
    return await wire.DatabaseIssued.with_secrets(standing, directory, issued)


@databases.delete("/{slug}", status_code=204)
async def delete_registration(slug: Slug, caller: Admin, session: Session) -> None:
    """Tell a database no more. Its keys are revoked; what it acknowledged stays proven."""
    await find_for(session, slug, caller)
    await remove_database(session, slug, actor=caller.actor, at=now())


@databases.post("/{slug}/ping")
async def ping_database(
    request: Request, slug: Slug, caller: Writer, keys: ThePointKeys
) -> wire.PingOut:
    """Send one signed request of type `ping` and tell what came of it. No entry is sent.

    For the 24 hours after a rotation it is signed by the new secret alone: a ping that is
    delivered confirms that the database knows it. A clock that is a minute off is named.
    """
    pool = database_of(request)
    async with pool.reading() as session:
        database = await find_for(session, slug, caller)
    return wire.PingOut.of(await acts.ping_database(pool, keys.vault, database))


@databases.post("/{slug}/pause")
async def pause_database(
    request: Request, slug: Slug, caller: Writer, keys: ThePointKeys, directory: TheDirectory
) -> wire.DatabaseOut:
    """Tell a database nothing more until it is resumed. Its place is kept; nothing is lost.

    It answers when a request under way has ended, or after 3 seconds; none is begun after it.
    """
    pool = database_of(request)
    async with pool.reading() as session:
        database = await find_for(session, slug, caller)
    await acts.pause_database(pool, database, actor=caller.actor, at=now())
    async with pool.reading() as session:
        return await wire.DatabaseOut.of(await _standing(session, keys, database), directory)


@databases.post("/{slug}/resume")
async def resume_database(
    slug: Slug, caller: Writer, session: Session, keys: ThePointKeys, directory: TheDirectory
) -> wire.DatabaseOut:
    """Go on telling a database at once, from where it was; a failing one is tried now."""
    database = await find_for(session, slug, caller)
    await acts.resume_database(session, database, actor=caller.actor, at=now())
    return await wire.DatabaseOut.of(await _standing(session, keys, database), directory)


@databases.post("/{slug}/rotate-secret")
async def rotate_signing_secret(
    slug: Slug, caller: Writer, session: Session, once: Once, keys: ThePointKeys
) -> wire.SecretOut:
    """Make a new signing secret, shown once; for 24 hours both sign."""
    await once.replay(by=caller.key)
    database, at = await find_for(session, slug, caller), now()
    secret = await acts.renew_secret(session, keys.vault, database, actor=caller.actor, at=at)
    answer = wire.SecretOut(signing_secret=secret)
    return await once.remember(answer, status=200, without=("signing_secret",))


@databases.post("/{slug}/replay")
async def replay_database(
    slug: Slug,
    body: wire.ReplayIn,
    caller: Writer,
    session: Session,
    keys: ThePointKeys,
    directory: TheDirectory,
) -> wire.DatabaseOut:
    """Tell a database again, from a position on. What it acknowledged stays proven."""
    database = await find_for(session, slug, caller)
    await acts.replay_database(
        session, database, first=body.from_position, actor=caller.actor, at=now()
    )
    return await wire.DatabaseOut.of(await _standing(session, keys, database), directory)


@databases.get("/{slug}/attempts")
async def read_attempts(
    slug: Slug, query: Annotated[PageQuery, Query()], caller: Reader, session: ReadSession
) -> Page[wire.DeliveryAttemptOut]:
    """List the requests to a database, the latest first; kept for OPTOUT_ATTEMPTS_DAYS."""
    database = await find_for(session, slug, caller)
    after = query.after(UUID)
    rows = await list_attempts(
        session,
        database.id,
        before=None if after is None else after[0],
        limit=query.limit + 1,
    )
    page, next_cursor = cut(rows, query.limit, lambda row: (row.id,))
    return Page(items=[wire.DeliveryAttemptOut.of(one) for one in page], next_cursor=next_cursor)


async def _standing(
    session: ReadSession, keys: PointKeys, database: RegisteredDatabase
) -> Standing:
    for standing in await read_standings(session, keys.vault, [database], at=now()):
        return standing
    raise NotFound(f"No database has the slug {database.slug!r}.")


async def _scope(before: Scope, given: dict[str, Any], directory: Directory) -> Scope:
    """Say what concerns a database, where a change names some of it."""
    return Scope(
        frozenset(given.get("kinds", before.kinds)),
        given.get("media", before.media),
        await wire.brand_numbers(given["brands"], directory)
        if "brands" in given
        else before.brands,
    )


def _require_allowed(delivery: wire.DeliveryIn, request: Request) -> None:
    settings = request.app.state.settings
    acts.require_allowed(delivery.way, settings, accept_weak=delivery.accept_weak)
