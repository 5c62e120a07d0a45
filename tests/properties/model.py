"""The model of a registry: what is suppressed, written down as the contract says it.

It knows grounds and reinstatements, and nothing of SQL, versions or the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from app.journal import EVERY_BRAND, Media

BRANDS = (EVERY_BRAND, 1, 2)


@dataclass
class Ground:
    """What one opt-out laid on one person, or (None) one row of a file."""

    opt_out: int | None
    person: int
    brand: int
    media: Media
    minute: int
    voided: bool = False


@dataclass(frozen=True)
class Reinstatement:
    """A later act of one person that was accepted."""

    person: int
    brand: int
    media: Media
    minute: int

    def lifts(self, ground: Ground) -> bool:
        """Tell whether a ground occurred before it, within its brand."""
        brands = (ground.brand, EVERY_BRAND)
        return self.person == ground.person and self.brand in brands and ground.minute < self.minute


@dataclass
class Model:
    """What is suppressed: the union of the grounds that stand."""

    grounds: list[Ground] = field(default_factory=list)
    reinstatements: list[Reinstatement] = field(default_factory=list)

    def standing(self, ground: Ground) -> Media:
        """Tell for which media a ground stands."""
        if ground.voided:
            return Media(0)
        media = ground.media
        for act in self.reinstatements:
            if act.lifts(ground):
                media &= ~act.media
        return media

    def suppressed(self, person: int, brand: int) -> Media:
        """Unite the grounds that stand."""
        media = Media(0)
        for ground in self.grounds:
            if (ground.person, ground.brand) == (person, brand):
                media |= self.standing(ground)
        return media

    def refuses(self, act: Reinstatement) -> bool:
        """Tell whether a reinstatement must be refused."""
        standing = [
            ground
            for ground in self.grounds
            if ground.person == act.person and self.standing(ground) & act.media
        ]
        if act.brand != EVERY_BRAND and any(one.brand == EVERY_BRAND for one in standing):
            return True
        return any(
            one.minute >= act.minute for one in standing if act.brand in (EVERY_BRAND, one.brand)
        )

    def allows(self, people: Iterable[int], medium: Media, brand: int | None) -> bool:
        """Answer a check: block if anybody is suppressed for the brand, every brand, or any."""
        brands = BRANDS if brand is None else (EVERY_BRAND, brand)
        return not any(
            self.suppressed(person, one) & medium for person, one in product(people, brands)
        )
