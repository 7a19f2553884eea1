"""Who may ask what, from where and how slowly."""
