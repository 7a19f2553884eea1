"""The fleet's own HTTP server: one page, one API and one set of figures over every worker's streams."""
