"""Content credentials (C2PA): each saved output carries a signed statement that a model made it, from which inputs, and how.

`signing_request` holds the facts, `manifest` turns them into a C2PA manifest, `key` and `signer` run in a process of their own, which alone
holds the private key, `marker` talks to that process over `signer_protocol`, and `reading` reads and verifies a file's manifest.
"""
