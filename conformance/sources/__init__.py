"""Where a model comes from: one file per kind of source."""
