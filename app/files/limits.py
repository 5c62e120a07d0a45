"""How much of a file is taken in, so that any file is read in bounded memory and time."""

import csv
from dataclasses import dataclass

CELL_CHARACTERS = csv.field_size_limit()
"""Characters of a cell (131,072); the limit of the ``csv`` module, which is one for the process."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Above the first ones a row is a fault, above the others the file is refused."""

    row_characters: int = 1_048_576
    line_characters: int = 16_777_216
    columns: int = 4_096
    reread_characters: int = 134_217_728
    """Characters read twice because a quote was opened and never closed."""
