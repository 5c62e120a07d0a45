"""The web pages, for people: it calls the rooms below and holds no rule of its own.

It promises pages without inline code and without an asset from elsewhere, state that changes by
POST with a token of the form alone, and no contact point in an address, a title or a log.
"""

from .letters import mail_ticket
from .live import Streams
from .pages import answer_browsers, show_fault
from .routes import ROUTERS
from .words import words_of

__all__ = ["ROUTERS", "Streams", "answer_browsers", "mail_ticket", "show_fault", "words_of"]
