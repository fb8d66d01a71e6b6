"""The live WebSocket: edits in, changed parts of pictures out."""
