"""Rules without a network: reading line art, segmenting it into pieces, choosing their colours, and applying hints."""
