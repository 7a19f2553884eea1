"""The ONNX Runtime that is installed, as if it were built with CUDA: a stand-in for that provider alone.

The installed package's own code runs here, under its own name; what differs is put over it.
"""

import sys
from importlib.machinery import PathFinder
from pathlib import Path

_HERE = Path(__file__).parent
_installed = PathFinder.find_spec("onnxruntime", [p for p in sys.path if Path(p) != _HERE.parent])
__path__ = [*_installed.submodule_search_locations, str(_HERE)]
__file__ = _installed.origin
exec(_installed.loader.get_code("onnxruntime"), globals())

from onnxruntime.cuda_provider import (  # noqa: E402
    InferenceSession,
    get_available_providers,
    preload_dlls,
)

__all__ = ["InferenceSession", "get_available_providers", "preload_dlls"]
