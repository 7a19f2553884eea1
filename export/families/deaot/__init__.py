"""DeAOT: gated propagation in two branches."""
