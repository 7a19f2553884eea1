import numpy as np
import numpy.typing as npt

def isas() -> list[str]: ...
def frame_masses(
    isa: str,
    query: npt.NDArray[np.generic],
    keys: npt.NDArray[np.generic],
    rows: npt.NDArray[np.float32],
    heads: int,
    picked: npt.NDArray[np.int32],
    step: float,
    threads: int,
) -> npt.NDArray[np.float32] | None: ...
def slot_dots(
    isa: str, keys: npt.NDArray[np.generic], slot: int, threads: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
def label_maps(
    isa: str,
    logits: npt.NDArray[np.float32],
    active: npt.NDArray[np.uint8],
    source_hw: tuple[int, int],
    network_hw: tuple[int, int],
    threads: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]: ...
def identity_tokens(
    table: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    label: npt.NDArray[np.uint8],
    out: npt.NDArray[np.float32],
    threads: int,
) -> None: ...
def precisions(isa: str) -> list[str]: ...
def window(
    isa: str,
    query: npt.NDArray[np.generic],
    key: npt.NDArray[np.generic],
    value: npt.NDArray[np.generic],
    bias: npt.NDArray[np.generic],
    hw: tuple[int, int],
    out: npt.NDArray[np.generic],
    threads: int,
) -> bool: ...

class Recall:
    slots: int
    def __init__(
        self,
        isa: str,
        precision: str,
        tokens: int,
        heads: int,
        key_width: int,
        value_width: int,
        threads: int,
    ) -> None: ...
    def write(self, slot: int, key: npt.NDArray[np.generic], value: npt.NDArray[np.generic]) -> bool: ...
    def read(
        self,
        query: npt.NDArray[np.generic],
        rows: npt.NDArray[np.generic],
        out: npt.NDArray[np.generic],
        masses: npt.NDArray[np.generic] | None,
    ) -> bool: ...
