"""A worker: a process that holds streams with one backend and serves their video."""
