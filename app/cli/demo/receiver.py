"""A database that is told by webhooks: it verifies, applies, commits, and only then says 2xx.

Run as ``python -m app.cli.demo.receiver TABLE SOCKET``: a file for its table and the number of a
bound socket that it inherits; the signing secret stands in ``SIGNING_SECRET``.
"""

import json
import os
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from app.cli.demo.table import Table, rows_of
from app.platform.supervision import end_with_supervisor

Reply = tuple[HTTPStatus, dict[str, Any] | None]


def receive(table: Table, webhook: Webhook, body: bytes, headers: dict[str, str]) -> Reply:
    """Take one message, whoever sent it: the answer to give."""
    try:
        message = webhook.verify(body, headers)
    except (WebhookVerificationError, ValueError):
        # Also what the library cannot even read is a forgery.
        return HTTPStatus.UNAUTHORIZED, None
    if message["type"] != "suppressions.changed":
        return HTTPStatus.NO_CONTENT, None
    return _apply(table, message["data"])


def _apply(table: Table, data: dict[str, Any]) -> Reply:
    with table.changing() as change:
        through = int(change.mark() or 0)
        if data["lane"] == "main":
            if data["previous"] > through:
                return HTTPStatus.CONFLICT, {"expected_position": through + 1}
            change.move_mark(str(max(through, data["to"])))
        change.apply(rows_of(data["entries"]))
    return HTTPStatus.NO_CONTENT, None


class Handler(BaseHTTPRequestHandler):
    """HTTP around ``receive``."""

    protocol_version = "HTTP/1.1"
    table: Table
    webhook: Webhook

    def do_POST(self) -> None:
        """Answer a message once its transaction is over."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, document = receive(self.table, self.webhook, body, dict(self.headers.items()))
        answer = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet: the story is told elsewhere."""


def main() -> None:
    """Serve until the process is ended."""
    end_with_supervisor()
    path, descriptor = sys.argv[1:]
    Handler.table = Table(Path(path))
    Handler.webhook = Webhook(os.environ["SIGNING_SECRET"])
    with socket.socket(fileno=int(descriptor)) as bound:
        server = ThreadingHTTPServer(bound.getsockname(), Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = bound
        server.server_activate()
        server.serve_forever()


if __name__ == "__main__":
    main()
