"""What a pack may not say: two things at once, or, an operator's own, anything milder."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from .packs import ENDED_BY_TIME, GROWING, BadPack, Dated, Pack, Parameter, Rule
from .records import ATTEMPT_DAYS, MOST_ATTEMPTS

_OWN_KINDS = ("prohibit", "constrain", "oblige")
_MOST = {"attempts": MOST_ATTEMPTS - 1, "attempts_days": ATTEMPT_DAYS - 2}


def require_consistent(packs: Sequence[Pack]) -> None:
    """See that packs can be in force together.

    Raises:
        BadPack: they contradict themselves or one another; of several faults the first.
    """
    for fault in _faults(packs):
        raise fault


def _faults(packs: Sequence[Pack]) -> Iterator[BadPack]:
    for pack in packs:
        yield from _within(pack)
        yield from _too_mild(pack)
    for one, other in combinations(packs, 2):
        yield from _between(one, other)
    for own in packs:
        if own.role == "operator":
            yield from _milder(own, [pack for pack in packs if pack is not own])


def _between(one: Pack, other: Pack) -> Iterator[BadPack]:
    if one.name == other.name:
        yield BadPack(f"there are two packs named {one.name!r}")
    shared = one.countries & other.countries
    if shared and one.role == other.role == "country":
        yield BadPack(f"{one.name} and {other.name} are both the pack of {min(shared)}")
    if shared and "operator" not in (one.role, other.role):
        yield from _dead_permits((*one.rules, *other.rules))


def _within(pack: Pack) -> Iterator[BadPack]:
    for rules in combinations(pack.rules, 2):
        if rules[0].id == rules[1].id:
            yield from _overlap(rules, f"rule {rules[0].id}")
    for rule in pack.rules:
        if rule.kind == "constrain" and not any(
            ENDED_BY_TIME.get(fact, frozenset()) >= values for fact, values in rule.when.items()
        ):
            yield BadPack(
                f"{rule.place}: a constraint waits for something: it must depend on "
                f"{', '.join(ENDED_BY_TIME)}"
            )
    yield from _dead_permits(pack.rules)
    for numbers in combinations(pack.parameters, 2):
        if numbers[0].name == numbers[1].name and numbers[0].media & numbers[1].media:
            yield from _overlap(numbers, numbers[0].name)
    for hours in combinations(pack.hours, 2):
        if hours[0].fact == hours[1].fact:
            yield from _overlap(hours, f"hours of {hours[0].fact}")
    for ids in combinations(pack.caller_ids, 2):
        yield from _overlap(ids, "caller_ids")


def _overlap(pair: tuple[Dated, Dated], what: str) -> Iterator[BadPack]:
    first, second = pair
    if first.overlaps(second):
        yield BadPack(f"{second.place}: {what} overlaps with the interval at {first.place}")


def _dead_permits(rules: Iterable[Rule]) -> Iterator[BadPack]:
    """Find permits that a prohibition overrides wherever they apply."""
    rules = tuple(rules)
    for permit in rules:
        for prohibition in rules:
            if (permit.kind, prohibition.kind) == ("permit", "prohibit") and prohibition.covers(
                permit
            ):
                yield BadPack(
                    f"{permit.place}: {permit.id} permits what {prohibition.id} prohibits at "
                    f"{prohibition.place}"
                )


def _too_mild(pack: Pack) -> Iterator[BadPack]:
    for number in pack.parameters:
        most = _MOST.get(number.name)
        if most is not None and number.value > most:
            yield BadPack(f"{number.place}: {number.name} may be {most} at most")
    if pack.role != "operator":
        return
    for rule in pack.rules:
        if rule.kind not in _OWN_KINDS:
            yield BadPack(
                f"{rule.place}: an operator's own pack may tighten the law, not {rule.kind}"
            )
    for ids in pack.caller_ids:
        yield BadPack(f"{ids.place}: an operator's own pack has no caller_ids")


def _milder(own: Pack, others: Sequence[Pack]) -> Iterator[BadPack]:
    """Find numbers of an operator that the law has stricter already."""
    for number in own.parameters:
        for other in _same(number, own, others):
            grows = number.name in GROWING
            if number.value < other.value if grows else number.value > other.value:
                yield BadPack(
                    f"{number.place}: {number.name} may be no "
                    f"{'smaller' if grows else 'larger'} than the {other.value} of {other.place}"
                )


def _same(number: Parameter, own: Pack, others: Sequence[Pack]) -> Iterator[Parameter]:
    for pack in others:
        if pack.countries & own.countries:
            for other in pack.parameters:
                if (
                    other.name == number.name
                    and other.media & number.media
                    and other.overlaps(number)
                ):
                    yield other
