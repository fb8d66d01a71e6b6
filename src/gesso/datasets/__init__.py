"""Where examples come from: folders, tables, synthetic; their splits and licences."""
