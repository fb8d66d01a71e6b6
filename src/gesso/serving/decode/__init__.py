"""Untrusted input: pictures, palettes and music are decoded in sandboxed processes, JSON is sanitized."""
