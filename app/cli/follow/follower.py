"""Following: the snapshot when it must be, then the feed, each page acknowledged when it stands."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from json import JSONDecodeError
from typing import Any

from app.cli.remote import NoAnswer, Refused, Registry
from app.platform.logs import get_logger

from .ending import Ending
from .rows import Page, Row, read_lines, read_page
from .store import Difference, Overtaken, Progress, Store

WAIT_SECONDS = 25
"""The longest that the registry holds an empty answer back."""
_PAGE = 500
_STAGED = 2_000
_TRIES = 5
_PAUSE = 1.0
"""Seconds before a list that broke off is gone on with."""
BEGIN_AGAIN = ("/problems/journal-forked", "/problems/cursor-expired", "/problems/bad-cursor")
"""What the registry says of a cursor that leads nowhere; the last of a cursor that was altered."""

log = get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What one run did; ``snapshots`` counts how often the list was taken whole."""

    applied: int = 0
    already: int = 0
    not_found: int = 0
    snapshots: int = 0


class Follower:
    """Keeps one list equal to the registry; ``head`` is the journal's, as the last page told."""

    def __init__(self, registry: Registry, store: Store, ending: Ending) -> None:
        """Take an open registry and an open list, which whoever opened them closes."""
        self._registry = registry
        self._store = store
        self._ending = ending
        self._acknowledged: str | None = None
        self.counts = Counts()
        self.head = 0

    def step(self, *, wait: float) -> bool:
        """Take the next page of the feed, or a snapshot where the cursor leads nowhere.

        Returns:
            Whether the registry has more at once.

        Raises:
            NoAnswer, Refused: the registry is away, or refuses.
            StoreFailed: the list cannot be written.
        """
        try:
            progress = self._store.progress()
            if progress is None:
                self._begin_again(None, "there is no list yet")
                return True
            # Said again where a crash came between the commit and the saying.
            self._acknowledge(progress)
            page = self.read_page(progress.cursor, wait=wait)
            self._apply(progress, page)
        except Refused as refused:
            if refused.document.get("type") not in BEGIN_AGAIN:
                raise
            self._begin_again(self._store.progress(), str(refused))
            return True
        except Overtaken as overtaken:
            log.warning("begin from where the other process is", reason=str(overtaken))
            return True
        return page.has_more

    def catch_up(self) -> None:
        """Follow until there is nothing more at the moment, and have acknowledged it."""
        while self.step(wait=0):
            pass

    def compare_with_snapshot(self) -> Difference:
        """Compare the list with a snapshot, both brought to the same position, and mend it.

        Raises:
            Overtaken: another process follows into the same list, and always came between.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._compare()
            except Overtaken:
                log.info("compare again: the list moved meanwhile")
        return self._compare()

    def _compare(self) -> Difference:
        self.catch_up()
        progress = self.present()
        _, erased = self._take_snapshot()
        has_more = True
        while has_more:
            page = self.read_page(progress.cursor)
            self._store.add_fresh(page.rows)
            self._apply(progress, page)
            progress, has_more = self.present(), page.has_more
        return self._store.adopt(progress, progress.cursor, erased=erased)

    def present(self) -> Progress:
        """Tell how far the list is.

        Raises:
            Overtaken: another process began it anew.
        """
        progress = self._store.progress()
        if progress is None:
            raise Overtaken("the cursor was taken away")
        return progress

    def _apply(self, progress: Progress, page: Page) -> None:
        self.head = page.head
        outcomes = [*self._store.apply(progress, page).values()]
        if outcomes:
            for word in ("applied", "already", "not_found"):
                setattr(self.counts, word, getattr(self.counts, word) + outcomes.count(word))
            log.info("entries kept", **{word: outcomes.count(word) for word in set(outcomes)})
        self._acknowledge(self.present())

    def _acknowledge(self, progress: Progress) -> None:
        if progress.cursor == self._acknowledged:
            return
        # First the cursor: it alone can tell a fork, where the positions mean other entries.
        self._post("/v1/acknowledgements", {"cursor": progress.cursor})
        if progress.outcomes:
            told = [
                {"position": position, "outcome": outcome}
                for position, outcome in progress.outcomes.items()
            ]
            self._post("/v1/outcomes", {"outcomes": told})
        self._acknowledged = progress.cursor

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        with self._ending.waiting():
            self._registry.post(path, body)

    def read_page(self, cursor: str, *, limit: int = _PAGE, wait: float = 0) -> Page:
        """Read a page of the feed, which changes nothing.

        Raises:
            NoAnswer, Refused: the registry is away, or refuses.
        """
        asked = {"cursor": cursor, "limit": limit, "wait": wait}
        with self._ending.waiting():
            feed = self._registry.get("/v1/journal", asked)
        try:
            return read_page(feed)
        except (KeyError, TypeError) as error:
            raise NoAnswer("The answer is no page of a journal.", 0) from error

    def _begin_again(self, progress: Progress | None, reason: str) -> None:
        log.info("take the list whole", reason=reason)
        cursor, erased = self._take_snapshot()
        difference = self._store.adopt(progress, cursor, erased=erased)
        self.counts.snapshots += 1
        log.info("the list is whole", missing=difference.missing, unlisted=difference.unlisted)
        if difference.held:
            log.warning("rows that no snapshot lists stay: erased", rows=difference.held)

    def _take_snapshot(self) -> tuple[str, int]:
        """Add a snapshot beside the list: the cursor to go on from, and how many are erased.

        One that breaks off is gone on with, as long as each try brings some of it: over a bad line
        a long list would never come whole.
        """
        self._store.empty_fresh()
        held: dict[str, Any] = {}
        while True:
            after = held.get("after")
            try:
                return self._take_rest(held)
            except NoAnswer as broken:
                if held.get("after") == after:
                    raise
                log.warning("the list broke off; go on behind what came", reason=str(broken))
                with self._ending.waiting():
                    time.sleep(_PAUSE)

    def _take_rest(self, held: dict[str, Any]) -> tuple[str, int]:
        """Add what comes behind what is ``held``, and note there what is held then."""
        asked = {"Accept": "application/x-ndjson"}
        query = held if "after" in held else None
        with self._registry.stream("GET", "/v1/snapshot", headers=asked, params=query) as response:
            cursor = response.headers.get("journal-cursor")
            erased = response.headers.get("optout-erased", "")
            if cursor is None or not erased.isdecimal():
                raise NoAnswer("The answer is no snapshot.", 0)
            held["cursor"] = cursor
            lines = response.iter_lines()
            while rows := self._next_rows(lines):
                self._store.add_fresh(rows)
                held["after"] = rows[-1].position
            return cursor, int(erased)

    def _next_rows(self, lines: Iterator[str]) -> list[Row]:
        with self._ending.waiting():
            some = [*islice(lines, _STAGED)]
        try:
            return [*read_lines(map(json.loads, some))]
        except (JSONDecodeError, KeyError, TypeError) as error:
            raise NoAnswer("The answer is no snapshot.", 0) from error
