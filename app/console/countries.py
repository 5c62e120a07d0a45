"""Which countries lie within the European Economic Area, where no transfer needs a ground."""

# The 27 members of the European Union on 2026-11-28, then Iceland, Liechtenstein and Norway (EEA
# agreement, Annex XI, point 5e). Overseas departments of France are France (GDPR 3, TFEU 355).
_WITHIN = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO "
    "GF GP MQ RE YT MF"
)


def is_outside(country: str) -> bool:
    """Tell whether telling somebody there is a transfer to a third country (GDPR, chapter V)."""
    return country not in _WITHIN.split()
