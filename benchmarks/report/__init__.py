"""Reports: stored, compared, printed, drawn."""
