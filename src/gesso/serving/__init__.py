"""The recipes over HTTP and WebSocket."""
