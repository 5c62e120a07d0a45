"""Our own links in what a machine brings: who holds one's token is known by it, whoever writes."""

from collections.abc import Sequence
from datetime import datetime

from app.platform.db import Database
from app.platform.vault import Vault

from .links import BadLink, Link, open_link


class Links:
    """Opens the tokens of single clicks, as the page behind them does."""

    def __init__(self, database: Database, vault: Vault) -> None:
        """Open nothing yet."""
        self._database = database
        self._vault = vault

    async def first_that_opens(self, tokens: Sequence[str], at: datetime) -> Link | None:
        """Open the first token that is ours, not too old and not revoked; None: none is."""
        if not tokens:
            return None
        days = self._database.settings.link_days
        async with self._database.reading() as session:
            for token in tokens:
                try:
                    return await open_link(
                        session, self._vault, token, "one-click", days=days, at=at
                    )
                except BadLink:
                    continue
        return None
