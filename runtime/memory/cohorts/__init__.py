"""Groups that run as one: what they share, and where their memories lie side by side."""
