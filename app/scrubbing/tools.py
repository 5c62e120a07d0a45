"""What scrubbing needs of its process."""

from dataclasses import dataclass
from typing import Self

from app.checks import Counsel, LookUps
from app.files import Storage
from app.identifiers import DigestKeys
from app.platform.db import Database

from .digesting import Digester, beginning
from .processes import Processes


@dataclass(frozen=True, slots=True)
class Tools:
    """All of it, for any number of scrubs."""

    database: Database
    storage: Storage
    look_ups: LookUps
    counsel: Counsel
    digester: Digester
    processes: Processes
    key_numbers: tuple[int, ...]

    @classmethod
    def make(
        cls,
        storage: Storage,
        look_ups: LookUps,
        counsel: Counsel,
        keys: DigestKeys,
        *,
        workers: int,
    ) -> Self:
        """Take what other rooms lend; ``workers`` processes compute, none: a thread does."""
        processes = Processes(workers, beginning(keys))
        digester = Digester(keys, processes)
        return cls(storage.database, storage, look_ups, counsel, digester, processes, keys.numbers)

    def stop(self) -> None:
        """End the processes."""
        self.processes.stop()
