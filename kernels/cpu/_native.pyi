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
