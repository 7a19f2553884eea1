"""Memory networks of Hugging Face's transformers, whose modules are wrapped here and not written again."""
