"""What pages are made of beside their text: style, scripts, the icon; named by their content."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import Request, Response

from app.platform.refusals import NotFound
from app.platform.web import router

assets = router("/static", "console")

_TYPES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "desk.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "hx-sse.min.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "officer.css": "text/css; charset=utf-8",
    "officer.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class _Asset:
    plain: bytes
    zipped: bytes
    mark: str


def asset_path(name: str) -> str:
    """Say where an asset lies: a new content is a new address, so browsers may keep it."""
    return f"/static/{_read(name).mark}/{name}"


@assets.get("/{mark}/{name}", include_in_schema=False)
async def asset(mark: str, name: str, request: Request) -> Response:
    """Serve an asset, compressed for whoever takes that."""
    if name not in _TYPES or mark != _read(name).mark:
        raise NotFound("There is no such asset, or no longer.")
    found = _read(name)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(found.plain, headers=headers, media_type=_TYPES[name])
    headers["Content-Encoding"] = "gzip"
    return Response(found.zipped, headers=headers, media_type=_TYPES[name])


@cache
def _read(name: str) -> _Asset:
    plain = files(__package__).joinpath("static", name).read_bytes()
    mark = hashlib.sha256(plain).hexdigest()[:16]
    return _Asset(plain, gzip.compress(plain, 6, mtime=0), mark)
