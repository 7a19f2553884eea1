"""Network families, a folder each; its name is the family's."""
