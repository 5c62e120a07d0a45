"""What stands at the head of each page: where one can go, in which order, and who sees it there."""

from dataclasses import dataclass

from app.accounts import Role


@dataclass(frozen=True, slots=True)
class Place:
    """A page at the head of each: address, word, and the least role that sees it there.

    ``apart`` are those of setting up, which stand folded behind the ones of every day.
    """

    path: str
    word: str
    role: Role
    apart: bool = False

    def holds(self, path: str) -> bool:
        """Tell whether an address lies within this place."""
        return path == self.path or path.startswith(f"{self.path}/")


NAVIGATION = (
    Place("/desk", "desk", Role.AGENT),
    Place("/overview", "overview", Role.OFFICER),
    Place("/databases", "databases", Role.OFFICER),
    Place("/opt-outs", "opt_outs", Role.OFFICER),
    Place("/files", "files", Role.OFFICER),
    Place("/reviews", "reviews", Role.OFFICER),
    Place("/rules", "rules", Role.AGENT),
    Place("/parties", "parties", Role.OFFICER, apart=True),
    Place("/channels", "channels", Role.OFFICER, apart=True),
    Place("/doors", "doors", Role.OFFICER, apart=True),
    Place("/keys", "keys", Role.ADMIN, apart=True),
    Place("/users", "users", Role.ADMIN, apart=True),
    Place("/audit", "audit", Role.OFFICER, apart=True),
    Place("/first-steps", "first_steps", Role.ADMIN, apart=True),
    Place("/settings", "settings", Role.OFFICER, apart=True),
)
"""A page of a new room takes its place here, and its word under ``nav`` in both languages."""


def home_of(role: Role) -> str:
    """Find the page of a role's first question: what was said at the desk, or who was told."""
    return "/overview" if role >= Role.OFFICER else "/desk"


def may_open(role: Role, path: str) -> bool:
    """Tell whether a role sees the place that an address lies in, if it lies in one."""
    return all(role >= place.role for place in NAVIGATION if place.holds(path))


def seen_by(role: Role, *, apart: bool) -> list[Place]:
    """List the places of every day, or those apart, that a role sees."""
    return [place for place in NAVIGATION if role >= place.role and place.apart == apart]
