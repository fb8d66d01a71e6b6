"""Datasets from folders, tables and synthetic sources, with their splits and licences."""
