"""A stand-in for TensorRT on the emulated GPU: engines are ONNX graphs with profiles, run by ONNX Runtime.

As strict as the real one where that is documented: what it does not take it answers with False, and an
engine runs when its stream comes to it, on the memory that its addresses then are.
"""

from __future__ import annotations

from tensorrt.builder import (
    Builder,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    OnnxParser,
    nptype,
)
from tensorrt.logger import ILogger
from tensorrt.runtime import ExecutionContextAllocationStrategy, ICudaEngine, Runtime, TensorIOMode

__version__ = "10.13.3.9"
__all__ = [
    "Builder",
    "ExecutionContextAllocationStrategy",
    "ICudaEngine",
    "ILogger",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "Runtime",
    "TensorIOMode",
    "nptype",
]
