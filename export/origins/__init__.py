"""Where a network comes from: one file a kind of checkpoint (`ermu.export.origins.origin`)."""
