"""Everything that is remembered of the objects of a stream, whichever way a network remembers them."""
