"""Scenes of photographs and of things cut out of them, as a camera held by hand would see them."""
