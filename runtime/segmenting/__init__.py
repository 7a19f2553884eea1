"""Parts of a `Segmenter`: what corrects what it remembers, and what asks the network where an object is."""
