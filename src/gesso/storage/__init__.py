"""Files that several threads and processes use at once: SQLite databases and locks on files and folders."""
