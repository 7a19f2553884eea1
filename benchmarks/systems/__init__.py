"""Other systems: networks that are not the bundle's, each behind its own frame loop."""
