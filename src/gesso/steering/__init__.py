"""Sessions: an append-only tree of edits. Each node is a request; nodes can be undone, branched, compared and exported."""

from gesso.steering.fold import Incomplete, State
from gesso.steering.insert import Limits
from gesso.steering.session import Found, Node, NotFound, Session
from gesso.steering.store import Store

__all__ = ["Store", "Limits", "Session", "Node", "Found", "State", "NotFound", "Incomplete"]
