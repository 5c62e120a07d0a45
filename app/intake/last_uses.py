"""When each channel was last used: by an opt-out, a file of them, or a provider at its door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Use = Literal["opt_out", "import", "door"]

# One look-up by index for each channel and way: however long a channel's history is.
_LAST = text("""
SELECT DISTINCT ON (c.channel) c.channel, used.way, used.at
FROM unnest(CAST(:channels AS int4[])) AS c (channel), LATERAL (
    (SELECT 'opt_out' AS way, recorded_at AS at FROM opt_outs
     WHERE channel = CAST(c.channel AS int2) ORDER BY id DESC LIMIT 1)
    UNION ALL
    (SELECT 'import', recorded_at FROM imports
     WHERE channel = CAST(c.channel AS int2) ORDER BY id DESC LIMIT 1)
    UNION ALL
    (SELECT 'door', last_at FROM inbound_doors
     WHERE channel = CAST(c.channel AS int2) AND last_at IS NOT NULL)
) AS used
ORDER BY c.channel, used.at DESC
""")


@dataclass(frozen=True, slots=True)
class LastUse:
    """By which way a channel was last used, and when."""

    way: Use
    at: datetime


async def last_uses(session: AsyncSession, channels: Sequence[int]) -> Mapping[int, LastUse]:
    """Tell when channels were last used, by their numbers; those that never were are left out."""
    rows = await session.execute(_LAST, {"channels": list(channels)})
    return {row.channel: LastUse(row.way, row.at) for row in rows}
