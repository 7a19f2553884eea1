"""Peers' ways of running graphs, behind the runtime's own frame loop."""
