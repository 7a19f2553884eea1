"""From a torch checkpoint to a bundle; the only part of the deployment that needs torch."""

from .bundle_writer import export_bundle
from .checkpoint import Checkpoint, build_network, load_checkpoint
from .graphs import build_graphs

__all__ = ["Checkpoint", "build_graphs", "build_network", "export_bundle", "load_checkpoint"]
