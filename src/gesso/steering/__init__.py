"""Sessions: an append-only tree of edits. Each node is a request; nodes can be undone, branched, compared and exported."""

from gesso.steering.fold import Incomplete, State
from gesso.steering.insert import StoreLimits
from gesso.steering.session import Node, NotFound, SearchResult, Session
from gesso.steering.store import Store

__all__ = ["Store", "StoreLimits", "Session", "Node", "SearchResult", "State", "NotFound", "Incomplete"]
