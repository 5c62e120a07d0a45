"""The pages of people who sign in, each with the least role that it is for."""

from app.accounts import Role

PAGES: dict[str, Role] = {
    "GET /sign-in/code": Role.AGENT,
    "POST /sign-in/code": Role.AGENT,
    "POST /sign-out": Role.AGENT,
    "GET /account": Role.AGENT,
    "POST /account/sessions/end": Role.AGENT,
    "POST /account/sessions/{id}/end": Role.AGENT,
    "GET /desk": Role.AGENT,
    "POST /desk/look-up": Role.AGENT,
    "POST /desk/opt-outs": Role.AGENT,
    "GET /desk/opt-outs/{id}": Role.AGENT,
    "GET /desk/opt-outs/{id}/told": Role.AGENT,
    "POST /desk/opt-outs/{id}/take-back": Role.AGENT,
    "GET /overview": Role.OFFICER,
    "GET /overview/now": Role.OFFICER,
    "GET /databases": Role.OFFICER,
    "GET /databases/new": Role.ADMIN,
    "POST /databases/new": Role.ADMIN,
    "GET /databases/{slug}": Role.OFFICER,
    "POST /databases/{slug}/ping": Role.OFFICER,
    "POST /databases/{slug}/pause": Role.OFFICER,
    "POST /databases/{slug}/resume": Role.OFFICER,
    "POST /databases/{slug}/rotate-secret": Role.ADMIN,
    "POST /databases/{slug}/replay": Role.ADMIN,
    "POST /databases/{slug}/delete": Role.ADMIN,
}
"""A key of the API opens none of them; a new page needs a line."""
