"""From sequences to label maps: a bundle's, seen in one way or several, or a baseline's."""
