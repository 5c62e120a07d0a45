"""Verifying: what the list lacks, found by digests and mended from the feed, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.cli.remote import NoAnswer, Refused, Registry
from app.platform.logs import get_logger

from .digests import Part, Survey, read_survey
from .follower import BEGIN_AGAIN, Follower
from .store import Mended, Overtaken, Store

_RANGE = 1_000_000
"""Positions that one request surveys."""
_PART = 1_000
"""Positions of a part: as many as the feed's longest page."""
_MOST_PARTS = 64
"""Parts of one range that are mended one by one; where more differ, a snapshot is cheaper."""
_ROUNDS = 5

log = get_logger(__name__)


@dataclass(slots=True)
class Findings:
    """How a list differed from the registry; ``snapshots`` tells whether it took one to mend it.

    ``missing`` were not blocked, or by no row; ``different`` were blocked by a wrong one;
    ``unlisted`` nobody had asked for; ``held`` were erased at the registry, and stay.
    """

    missing: int = 0
    different: int = 0
    unlisted: int = 0
    held: int = 0
    snapshots: int = 0


class _TooManyParts(Exception):  # noqa: N818 - what was found
    """So much differs that a snapshot is cheaper."""


class Verifier:
    """Compares one list with the registry, and mends it, while entries go on coming."""

    def __init__(self, registry: Registry, store: Store, follower: Follower) -> None:
        """Take an open registry and an open list, and who follows the one into the other."""
        self._registry = registry
        self._store = store
        self._follower = follower
        self._findings = Findings()

    def verify(self) -> Findings:
        """Mend the list until nothing is found any more, or make it equal to a snapshot.

        Rows that the registry does not know block on until then: until it is sure that nobody
        stands behind them.

        Raises:
            NoAnswer, Refused: the registry is away, or refuses.
            StoreFailed: the list cannot be written.
            Overtaken: another process follows into the same list, and always came between.
        """
        for _ in range(_ROUNDS):
            try:
                if self._is_whole():
                    return self._findings
            except Overtaken as overtaken:
                log.info("verify again", reason=str(overtaken))
            except Refused as refused:
                if refused.document.get("type") not in BEGIN_AGAIN:
                    raise
                log.info("verify again", reason=str(refused))
            except _TooManyParts:
                break
        difference = self._follower.compare_with_snapshot()
        self._findings.missing += difference.missing
        self._findings.different += difference.different
        self._findings.unlisted = difference.unlisted
        self._findings.held = difference.held
        self._findings.snapshots = 1
        return self._findings

    def _is_whole(self) -> bool:
        """Survey the whole journal once and mend what differs; False if anything did."""
        self._follower.catch_up()
        head = self._follower.head
        aside = self._store.set_aside(self._follower.present(), beyond=head)
        found = Mended(aside=aside)
        for first in range(1, head + 1, _RANGE):
            found += self._compare(first, min(head, first + _RANGE - 1))
        self._findings.missing += found.missing
        self._findings.different += found.different
        if found.missing or found.different or found.aside:
            return False
        # What moved while it was surveyed is neither where it was nor, until now, where it is.
        self._follower.catch_up()
        unlisted, held = self._store.settle(self._follower.present(), lacking=found.lacking)
        self._findings.unlisted = unlisted
        self._findings.held = held + found.held
        return True

    def _compare(self, first: int, last: int) -> Mended:
        length = last - first + 1
        survey = self._survey(first, last, parts=-(-length // _PART))
        held = self._store.sums(survey.parts)
        whole = [part.is_whole(rows) for part, rows in zip(survey.parts, held, strict=True)]
        if whole.count(False) > _MOST_PARTS:
            raise _TooManyParts
        found = Mended()
        for part, rows, is_whole in zip(survey.parts, held, whole, strict=True):
            if not is_whole:
                found += self._mend(part)
            elif rows == part.told:
                found += Mended(lacking=part.erased.count)
            else:
                found += Mended(held=part.erased.count)
        return found

    def _mend(self, part: Part) -> Mended:
        """Keep and set aside what must be in one part; all that came meanwhile is applied first."""
        survey = self._survey(part.first, part.last, parts=part.last - part.first + 1)
        self._follower.catch_up()
        progress = self._follower.present()
        page = self._follower.read_page(survey.cursor, limit=_PART)
        mended = self._store.mend(progress, survey.parts, page.rows)
        if mended.missing or mended.different or mended.aside:
            log.warning(
                "rows did not agree with the registry",
                first=part.first,
                last=part.last,
                missing=mended.missing,
                different=mended.different,
                unknown=mended.aside,
            )
        return mended

    def _survey(self, first: int, last: int, *, parts: int) -> Survey:
        asked = {
            "from": first,
            "to": last,
            "parts": parts,
            "of": "own",
            "cursor": self._follower.present().cursor,
        }
        answer = self._registry.get("/v1/journal/digest", asked)
        try:
            survey = read_survey(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise NoAnswer("The answer is no digest of a journal.", 0) from error
        if not _covers(survey.parts, first, last):
            raise NoAnswer("The answer is about another range of the journal.", 0)
        return survey


def _covers(parts: Sequence[Part], first: int, last: int) -> bool:
    """Tell whether parts follow on each other from one position to another."""
    bounds = [bound for part in parts for bound in (part.first - 1, part.last)]
    inner = bounds[1:-1]
    return (
        bool(bounds)
        and (bounds[0], bounds[-1]) == (first - 1, last)
        and inner[::2] == inner[1::2]
        and bounds == sorted(bounds)
    )
