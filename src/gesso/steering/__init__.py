"""A session: edits that can be undone, branched and replayed."""
