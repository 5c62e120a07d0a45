"""``Idempotency-Key``: a request that is sent again does nothing and gets the first answer.

A route that creates takes ``Once``, asks it first and tells it last, in its own transaction:

    async def create(body: NewBrand, caller: MayWrite, session: Session, once: Once) -> Brand:
        await once.replay(by=caller.key)
        brand = await brands.create(session, ...)
        return await once.remember(Brand.of(brand), location=f"/v1/brands/{brand.slug}")

Nothing is kept in the clear that was sent: bodies may hold contact points, so their digest is
keyed with the ``Idempotency-Key``, of which only a digest is kept too.
"""

import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    delete,
    select,
    tuple_,
)
from sqlalchemy import func as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.clock import now
from app.platform.db import Base, Session
from app.platform.openapi import IDEMPOTENCY_HEADER
from app.platform.problems import Problem
from app.platform.refusals import InvalidRequest
from app.platform.wire import Json

KEPT_FOR = timedelta(days=7)
REPLAYED = {"Idempotent-Replayed": "true"}
"""Header of an answer that was given before."""

Model = TypeVar("Model", bound=BaseModel)


class IdempotencyKeyReused(Problem):
    """This `Idempotency-Key` was used for another request within the last seven days.

    Nothing was recorded. Use a new key for a new request.
    """

    type = "idempotency-key-reused"
    title = "The idempotency key belongs to another request"
    status = 422


class IdempotencyKeyBusy(Problem):
    """The first request with this `Idempotency-Key` is still running. Ask again in a second."""

    type = "idempotency-key-busy"
    title = "The first request with this key is still running"
    status = 409


class Replay(Exception):  # noqa: N818 - an answer, not an error: it ends the route early
    """The answer that was given to the same request before, to be given again."""

    def __init__(self, status: int, body: str, location: str | None) -> None:
        """Keep what the first answer was, secrets left out."""
        super().__init__("answered before")
        self.status = status
        self.body = body
        self.location = location


class IdempotencyKey(Base):
    """An answer that was given; a bigint, two digests and what to say again."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    caller: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[str] = mapped_column(Text)
    location: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OnceOnly:
    """One request that creates something, in the transaction that creates it.

    Without the header every method is free of cost, but for ``Location``.
    """

    def __init__(
        self, request: Request, response: Response, session: AsyncSession, key: str | None
    ) -> None:
        """Keep what may be needed; nothing is read yet."""
        self._request = request
        self._response = response
        self._session = session
        self._key = key.encode() if key is not None else None
        self._caller: int | None = None
        self._stand_in: Json | None = None

    async def replay(self, *, by: int, stand_in: Json | None = None) -> None:
        """Begin: return if the request is new, else end the route with the first answer.

        ``stand_in`` is what counts as the body of a request whose own is a file.
        Takes a lock on the caller's key until the transaction ends.

        Raises:
            Replay: the same request was answered within seven days.
            IdempotencyKeyReused: another request was.
            IdempotencyKeyBusy: the first one still runs.
        """
        if self._key is None:
            return
        self._caller = by
        self._stand_in = stand_in
        digest = _key_digest(self._key)
        lock_digest = hashlib.blake2b(b"%d " % by + digest, digest_size=8).digest()
        lock = int.from_bytes(lock_digest, signed=True)
        if not await self._session.scalar(select(sql.pg_try_advisory_xact_lock(lock))):
            raise IdempotencyKeyBusy("Ask again in a second.", headers={"Retry-After": "1"})
        first = await self._session.scalar(
            select(IdempotencyKey).where(
                IdempotencyKey.caller == by,
                IdempotencyKey.key_digest == digest,
                IdempotencyKey.created_at > now() - KEPT_FOR,
            )
        )
        if first is None:
            return
        if not hmac.compare_digest(first.request_digest, await self._request_digest(self._key)):
            raise IdempotencyKeyReused("Another request was sent with this key; use a new one.")
        raise Replay(first.status, first.body, first.location)

    async def remember(
        self,
        answer: Model,
        *,
        status: int = 201,
        location: str | None = None,
        without: tuple[str, ...] = (),
    ) -> Model:
        """End: keep the answer for seven days, set ``Location``, and hand the answer on.

        Members named in ``without`` are secrets: null in every replay.
        """
        if location is not None:
            self._response.headers["Location"] = location
        if self._key is None:
            return answer
        if self._caller is None:
            raise TypeError("replay() comes before remember()")
        shown: dict[str, Any] = answer.model_dump(mode="json") | dict.fromkeys(without)
        kept = {
            "request_digest": await self._request_digest(self._key),
            "status": status,
            "body": json.dumps(shown, ensure_ascii=False, separators=(",", ":")),
            "location": location,
            "created_at": now(),
        }
        await self._session.execute(
            # An older row of this key is one that replay() found too old to count.
            insert(IdempotencyKey)
            .values(caller=self._caller, key_digest=_key_digest(self._key), **kept)
            .on_conflict_do_update(
                index_elements=[IdempotencyKey.caller, IdempotencyKey.key_digest], set_=kept
            )
        )
        return answer

    async def _request_digest(self, key: bytes) -> bytes:
        """Digest what was asked: method, path, and the body as canonical JSON."""
        body: Any = self._stand_in
        if body is None and await self._request.body():
            try:
                body = await self._request.json()
            except ValueError:
                # Of a route that takes no body nobody has read it before.
                raise InvalidRequest("The body is not JSON in UTF-8; none is needed.") from None
        canonical = json.dumps(
            [self._request.method, self._request.url.path, body],
            sort_keys=True,
            separators=(",", ":"),
        )
        return hmac.digest(key, canonical.encode(), "sha256")


def _key_digest(key: bytes) -> bytes:
    return hashlib.sha256(b"idempotency key " + key).digest()


async def _once(
    request: Request,
    response: Response,
    session: Session,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=IDEMPOTENCY_HEADER,
            min_length=1,
            max_length=255,
            pattern="^[ -~]+$",
            description="Any text of yours: the same request sent again within seven days does "
            "nothing and is answered as the first was, with `Idempotent-Replayed: true`",
        ),
    ] = None,
) -> OnceOnly:
    return OnceOnly(request, response, session, idempotency_key)


Once = Annotated[OnceOnly, Depends(_once, scope="function")]


async def render_replay(_: Request, error: Exception) -> Response:
    """Give the first answer again."""
    if not isinstance(error, Replay):
        raise error
    headers = REPLAYED | ({"Location": error.location} if error.location else {})
    return Response(error.body, error.status, headers, media_type="application/json")


async def forget_old(session: AsyncSession, *, at: datetime, chunk: int = 1_000) -> int:
    """Delete up to ``chunk`` answers older than seven days; tell how many there were."""
    old = (
        select(IdempotencyKey.caller, IdempotencyKey.key_digest)
        .where(IdempotencyKey.created_at <= at - KEPT_FOR)
        .limit(chunk)
        .with_for_update(skip_locked=True)
    )
    key = tuple_(IdempotencyKey.caller, IdempotencyKey.key_digest)
    gone = await session.execute(
        delete(IdempotencyKey).where(key.in_(old)).returning(IdempotencyKey.caller)
    )
    return len(gone.all())
