"""What tests share: clips, golden data, networks, a GPU, a server."""
