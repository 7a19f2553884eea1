"""AOT: multi-head attention and a feed-forward a block."""
