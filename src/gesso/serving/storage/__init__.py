"""Files that users upload, outputs made for them, and weights they trained."""
