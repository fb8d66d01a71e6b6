"""One thread that runs the networks, and what becomes of its results: outputs, thumbnails."""
