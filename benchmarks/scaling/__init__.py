"""How time and throughput change along one axis: memory, size, objects, streams, lanes, cores."""
