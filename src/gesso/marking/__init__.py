"""Content credentials: each output that leaves says, signed, that a model made it, of what, and how (C2PA).

`order` is what is to be said, `manifest` how C2PA says it, `key` and `signer` live in a process of their own that alone holds the
private key, `marker` is this process's line to it, and `reading` tells what a file says and whether that is intact.
"""
