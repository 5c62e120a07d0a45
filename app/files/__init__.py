"""Tables in files: what a file looks like, its rows, and the same rows with columns appended.

Reading is synchronous, in one pass and in bounded memory, whatever the file: what it costs is for a
thread of the jobs' process. It promises that the raws of the batches, after the layout's ``head``,
encode to the very bytes that were read; that a row which cannot be read is a fault of that row
with a stable code; and that no error but ``BadFile`` comes out, which never repeats content.
"""

from .bad_file import BadFile
from .layout import Layout, append
from .limits import Limits
from .reading import read_batches, read_layout, read_rows
from .rows import Batch, Fault, Row

__all__ = [
    "BadFile",
    "Batch",
    "Fault",
    "Layout",
    "Limits",
    "Row",
    "append",
    "read_batches",
    "read_layout",
    "read_rows",
]
