"""Relevance, redundancy and the pixel work around the network: one interface, one implementation a device."""
