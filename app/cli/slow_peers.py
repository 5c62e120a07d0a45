"""Connections on which nothing comes: closed, for each holds a socket that somebody else needs.

uvicorn waits for the head of a request, and an app for its body, as long as the peer likes: a few
thousand peers that send a byte a minute would leave nobody else a socket. To look at each
connection now and then costs a check nothing.
"""

import asyncio
from typing import Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

Awaited = Literal["head", "body"]

IDLE_SECONDS = 75
"""For how long a connection without a request is kept: longer than clients and proxies keep theirs.

Whoever closes first must be the one that sends: of a connection that we close the other end hears
while its next request is on the way, and a check or an objection is lost with it. httpx keeps one
for 5 seconds, which is uvicorn's own default too; nginx and the balancers of clouds for 60.
"""


class Patient(HttpToolsProtocol):
    """A connection whose peer has 75 seconds for a request, and longer for what keeps coming.

    Of a body ``least_bytes`` have to come in each ``seconds``, a tenth of what the slowest mobile
    network carries. Files are waited for by whoever takes them; answers are not looked at.
    """

    seconds = float(IDLE_SECONDS)
    least_bytes = 100_000

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as above it
        """Begin to look."""
        super().connection_made(transport)
        self._received = 0
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more: what waits for its time would hold the request until then."""
        self._looking.cancel()
        super().connection_lost(exc)

    def on_body(self, body: bytes) -> None:
        """Count what comes."""
        self._received += len(body)
        super().on_body(body)

    def _note(self) -> None:
        self._seen = (self.cycle, self._awaited(), self._received)
        self._looking = self.loop.call_later(self.seconds, self._look)

    def _look(self) -> None:
        cycle, awaited, received = self._seen
        is_the_same = self.cycle is cycle and self._awaited() == awaited is not None
        if is_the_same and self._received - received < self.least_bytes:
            self.transport.close()
        else:
            self._note()

    def _awaited(self) -> Awaited | None:
        """Tell what the peer owes: a request, the rest of a body, or nothing."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            return "head"
        takes_file = getattr(cycle.scope.get("route"), "limit_setting", "") == "file_bytes"
        return "body" if cycle.more_body and not takes_file else None
