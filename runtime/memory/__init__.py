"""A group's memory: the bank, the policies that bound it, and how frames read and write it."""
