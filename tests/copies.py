"""Copies of one database, made and dropped by a thread of their own while the tests run.

A copy takes a tenth of a second and a test of the registry hardly longer: on two processors the
next one is ready when it is asked for.
"""

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import asyncpg
from sqlalchemy.engine import URL

_AHEAD = 2


async def execute(url: URL, statement: str) -> None:
    """Run one statement outside of transactions."""
    connection = await asyncpg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False)
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


class Copies:
    """Copies of the database ``template`` of one PostgreSQL, each for one test."""

    def __init__(self, postgres: URL, template: str) -> None:
        """Begin to make the first ones."""
        self._postgres = postgres
        self._template = template
        self._numbers = count(1)
        self._thread = ThreadPoolExecutor(1)
        self._ready = deque(self._thread.submit(self._make) for _ in range(_AHEAD))
        self._dropped: list[Future[None]] = []

    async def take(self) -> str:
        """Give a copy that nobody had before: its name."""
        self._ready.append(self._thread.submit(self._make))
        return await asyncio.wrap_future(self._ready.popleft())

    def give_back(self, name: str) -> None:
        """Let a copy be dropped, whoever is still connected."""
        self._dropped.append(self._thread.submit(self._drop, name))

    def end(self) -> None:
        """Drop what was made ahead, and raise what went wrong with the others."""
        for copy in self._ready:
            if not copy.cancel():
                self.give_back(copy.result())
        self._thread.shutdown()
        for dropped in self._dropped:
            dropped.result()

    def _make(self) -> str:
        name = f"{self._template}_{next(self._numbers)}"
        statement = f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"'
        asyncio.run(execute(self._postgres, statement))
        return name

    def _drop(self, name: str) -> None:
        asyncio.run(execute(self._postgres, f'DROP DATABASE "{name}" WITH (FORCE)'))
