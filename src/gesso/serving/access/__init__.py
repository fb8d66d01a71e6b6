"""Who may use a server: tokens, one-time links, and the lock that gives a home folder one server."""
