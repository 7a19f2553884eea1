"""A module for each eviction policy; its name is the policy's."""
