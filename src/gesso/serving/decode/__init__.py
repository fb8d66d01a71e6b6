"""Untrusted input: pictures and palettes are decoded in sandboxed processes, JSON is sanitized."""
