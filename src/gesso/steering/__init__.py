"""A session: an append-only log of edits whose nodes are requests; they are undone, branched, compared and carried away."""

from gesso.steering.draft import Limits
from gesso.steering.fold import Incomplete, State
from gesso.steering.session import Found, Node, NotFound, Session
from gesso.steering.store import Store

__all__ = ["Store", "Limits", "Session", "Node", "Found", "State", "NotFound", "Incomplete"]
