"""Weights of all graphs of a bundle in one file, each tensor once, as ONNX external data.

ONNX Runtime, OpenVINO and TensorRT all refuse external data outside the graph's own folder; hence graphs and
weights lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import load_external_data_for_model

SMALLEST = 1024  # bytes; what is smaller stays in its graph
ALIGNMENT = 4096  # bytes: a page, so that a library may map the file
DIGEST = "weights_sha256"  # of a graph's metadata: what it reads here, so that its own hash stands for it


@dataclass(frozen=True)
class _Place:
    file: str
    offset: int
    length: int


class WeightsFile:
    """Takes weights out of graphs into one file.

    Args:
        folder: Of the graphs.
        name: Of the file; it is made when the first weight comes.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self.name = folder, name
        self._places: dict[bytes, _Place] = {}

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder / self.name

    def reuse(self, graphs: Iterable[Path]) -> None:
        """Learns what graphs already have outside: the same weights will be read there.

        Args:
            graphs: In a bundle's folder, to which the graphs to come will belong.
        """
        for path in graphs:
            for tensor in onnx.load(path, load_external_data=False).graph.initializer:
                if tensor.data_location == TensorProto.EXTERNAL:
                    where = {entry.key: entry.value for entry in tensor.external_data}
                    place = _Place(where["location"], int(where["offset"]), int(where["length"]))
                    self._places.setdefault(sha256(_read(path.parent, place)).digest(), place)

    def take(self, model: onnx.ModelProto) -> None:
        """Moves a model's weights out; the model may then be saved in the folder."""
        total = sha256()
        for tensor in model.graph.initializer:
            _make_raw(tensor)
            if len(tensor.raw_data) > SMALLEST:
                digest = sha256(tensor.raw_data).digest()
                total.update(digest)
                if digest not in self._places:
                    self._places[digest] = self._append(tensor.raw_data)
                _refer(tensor, self._places[digest])
        onnx.helper.set_model_props(model, {DIGEST: total.hexdigest()})

    def _append(self, data: bytes) -> _Place:
        with self.path.open("ab") as file:
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            offset = file.tell()
            file.write(data)
        return _Place(self.name, offset, len(data))


def load_model(path: Path) -> onnx.ModelProto:
    """A bundle's graph with its weights in memory."""
    model = onnx.load(path, load_external_data=False)
    load_external_data_for_model(model, str(path.parent))
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    return model


def _make_raw(tensor: TensorProto) -> None:
    """Bytes instead of typed fields, in which small tensors and converted ones come."""
    if not tensor.HasField("raw_data"):
        array = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def _refer(tensor: TensorProto, place: _Place) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    where = {"location": place.file, "offset": place.offset, "length": place.length}
    for key, value in where.items():
        tensor.external_data.add(key=key, value=str(value))


def _read(folder: Path, place: _Place) -> bytes:
    with (folder / place.file).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.length)
