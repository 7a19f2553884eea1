"""What has been timed on this machine, for `auto` to choose by."""
