"""One file for the weights of many graphs: each content once, where ONNX's external data finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx.external_data_helper import ExternalDataInfo, set_external_data, uses_external_data

LEAST_BYTES = 1024  # smaller constants stay in their graphs
ALIGNMENT = 4096  # of offsets: a page, so that files can be mapped


class Place(NamedTuple):
    """Where a tensor's bytes lie: file name, offset and length in bytes."""

    file: str
    offset: int
    length: int


class WeightsFile:
    """Writes weights as they come, one content once, for graphs in the same folder.

    Args:
        path: The file; made with the first weight.
        known: Places of contents, by SHA-256, that other files of the folder hold already.
    """

    def __init__(self, path: Path, known: Mapping[bytes, Place] | None = None) -> None:
        self.path = path
        self._places = dict(known or {})
        self._end = 0

    def take(self, model: onnx.ModelProto) -> None:
        """Moves a graph's initializers above `LEAST_BYTES` here; the graph keeps where they are.

        It keeps their hash, too: a graph's own SHA-256 stands for its weights, which engines rely on.
        """
        moved = sha256()
        for tensor in model.graph.initializer:
            values = onnx.numpy_helper.to_array(tensor)
            if values.nbytes <= LEAST_BYTES:
                continue
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
            place = self._placed(tensor.raw_data)
            moved.update(tensor.raw_data)
            set_external_data(tensor, place.file, place.offset, place.length)
            tensor.ClearField("raw_data")
        onnx.helper.set_model_props(model, {"weights_sha256": moved.hexdigest()})

    def rename(self, name: str, models: Iterable[onnx.ModelProto]) -> None:
        """Gives the file another name, and tells the graphs that read it."""
        for tensor in (t for model in models for t in model.graph.initializer if uses_external_data(t)):
            for entry in tensor.external_data:
                if entry.key == "location" and entry.value == self.path.name:
                    entry.value = name
        self.path = self.path.rename(self.path.with_name(name))

    def _placed(self, content: bytes) -> Place:
        digest = sha256(content).digest()
        if digest not in self._places:
            self._places[digest] = Place(self.path.name, self._end, len(content))
            with self.path.open("ab") as file:
                file.truncate(self._end)  # pads with zeros
                file.write(content)
            self._end += -(-len(content) // ALIGNMENT) * ALIGNMENT
        return self._places[digest]


def read_graph(path: Path) -> onnx.ModelProto:
    """A graph with all its weights in it.

    `onnx.load` refuses weights in a file with several hard links, as every file that uv installs has.
    """
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if uses_external_data(tensor):
            tensor.raw_data = _outside(path, _place(tensor))
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    return model


def places_of(graphs: Iterable[Path]) -> dict[bytes, Place]:
    """The weights that graphs in one folder keep outside themselves, by the SHA-256 of their bytes."""
    places: dict[Place, bytes] = {}
    for path in graphs:
        for tensor in onnx.load(path, load_external_data=False).graph.initializer:
            if uses_external_data(tensor):
                place = _place(tensor)
                if place not in places:
                    places[place] = sha256(_outside(path, place)).digest()
    return {digest: place for place, digest in places.items()}


def _place(tensor: onnx.TensorProto) -> Place:
    info = ExternalDataInfo(tensor)
    return Place(info.location, info.offset or 0, info.length or 0)


def _outside(graph: Path, place: Place) -> bytes:
    with (graph.parent / place.file).open("rb") as file:
        file.seek(place.offset)
        return file.read(place.length)
