"""Commands that time this machine."""
