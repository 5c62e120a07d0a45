"""All combinations of some facts at once: a set of them is a number with a bit for each.

So whole packs can be swept: a million combinations are judged in a millisecond, by nothing but
what the packs say, which the engine is then held to.
"""

from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import Any

from app.policy import FACTS, Audience, Chapter, Facts, Medium, Rule


class Space:
    """The product of some facts' values; the others are what they are where nothing is known."""

    def __init__(self, facts: Iterable[str]) -> None:
        """Take the names of the facts."""
        self.facts = sorted(facts)
        self.strides = {}
        self.size = 1
        for fact in self.facts:
            self.strides[fact] = self.size
            self.size *= len(FACTS[fact])
        self.all = (1 << self.size) - 1

    def having(self, fact: str, values: Iterable[str | bool]) -> int:
        """Give the combinations in which a fact has one of some values."""
        if fact not in self.strides:
            return self.all if FACTS[fact][0] in set(values) else 0
        stride, count = self.strides[fact], len(FACTS[fact])
        run = (1 << stride) - 1
        pattern = reduce(or_, (run << stride * FACTS[fact].index(one) for one in values), 0)
        width = stride * count
        while width < self.size:
            pattern |= pattern << width
            width *= 2
        return pattern & self.all

    def where(self, rule: Rule) -> int:
        """Give the combinations under which a rule applies."""
        return reduce(and_, (self.having(*one) for one in rule.when.items()), self.all)

    def shifted(self, some: int, fact: str, value: str) -> int:
        """Give combinations in which a fact has its default with another value instead."""
        if fact not in self.strides:
            return 0
        default = some & self.having(fact, [FACTS[fact][0]])
        return default << self.strides[fact] * FACTS[fact].index(value)

    def facts_at(self, number: int) -> Facts:
        """Give one of the combinations."""
        chosen: dict[str, Any] = {
            fact: FACTS[fact][number // self.strides[fact] % len(FACTS[fact])]
            for fact in self.facts
        }
        return Facts(**chosen)


class Judged:
    """What a chapter's rules come to over a whole space: each decision's combinations."""

    def __init__(self, chapter: Chapter, medium: Medium, audience: Audience) -> None:
        """Put the rules together anew, by what ``README`` of the packs says and no more."""
        self.rules = [
            rule
            for pack in chapter.packs
            for rule in pack.rules
            if rule.holds(chapter.starts) and medium in rule.media and audience in rule.audience
        ]
        self.space = Space({"objection"}.union(*(rule.when for rule in self.rules)))
        of = {
            kind: reduce(or_, map(self.space.where, self._of(kind)), 0)
            for kind in ("prohibit", "review", "constrain", "permit")
        }
        everything = self.space.all
        self.permitted = of["permit"]
        self.review = of["review"] & ~of["prohibit"]
        self.block = of["prohibit"] | everything & ~of["review"] & ~of["permit"]
        self.defer = of["constrain"] & of["permit"] & ~of["prohibit"] & ~of["review"]
        self.allow = everything & ~self.block & ~self.review & ~self.defer

    def _of(self, kind: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.kind == kind]

    def decision(self, number: int) -> str:
        """Tell what is decided under one combination."""
        for name in ("allow", "defer", "review", "block"):
            if getattr(self, name) >> number & 1:
                return name
        raise AssertionError(number)
