"""What runs graphs: the interface, where its tensors live, and how one is opened."""
