"""Training of the networks of `ermu.export`: the published recipe, and the small network of `ermu demo`."""
