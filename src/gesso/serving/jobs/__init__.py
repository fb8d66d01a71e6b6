"""Long work: asked for over HTTP, kept in SQLite, done by a process of its own under a lease, told as it goes."""
