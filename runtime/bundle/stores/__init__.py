"""Where bundles are fetched from, a file each."""
