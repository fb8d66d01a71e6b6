"""Long-running jobs: submitted over HTTP, stored in SQLite, run by worker processes under leases, with progress and logs."""
