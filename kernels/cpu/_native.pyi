import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.generic]  # float32 or float16
Single = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

def isas() -> list[str]: ...
def frame_masses(
    isa: str,
    query: Numbers,
    keys: Numbers,
    rows: Single,
    heads: int,
    picked: npt.NDArray[np.int32],
    step: float,
    out: Single,
    threads: int,
) -> bool: ...
def slot_dots(isa: str, keys: Numbers, slot: int, sums: Double, dots: Double, threads: int) -> None: ...
def redundancy(sums: Double, dots: Double, rows: Single, tokens: int, out: Double) -> None: ...
def foreground(logits: Single, out: Single) -> bool: ...
def label_maps(
    isa: str,
    logits: Single,
    active: Bytes,
    align_corners: bool,
    source: Bytes,
    network: Bytes,
    threads: int,
) -> None: ...
def survey(
    logits: Single,
    active: Bytes,
    rows: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int32],
    source: Bytes,
    out: npt.NDArray[np.int64],
) -> None: ...
def identity_tokens(
    table: Single, bias: Single, padding: int, label: Bytes, out: Single, threads: int
) -> None: ...
def resize_frame(
    isa: str,
    frame: Bytes,
    row_at: npt.NDArray[np.int32],
    row_weights: Single,
    column_at: npt.NDArray[np.int32],
    column_weights: Single,
    resized: Single,
    threads: int,
) -> None: ...
def precisions(isa: str) -> list[str]: ...
def window(
    isa: str,
    query: Single,
    key: Single,
    value: Single,
    bias: Single,
    hw: tuple[int, int],
    out: Single,
    threads: int,
) -> bool: ...

class KeyValueCache:
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
    def write(self, slot: int, key: Single, value: Single) -> bool: ...
    def read(self, query: Single, rows: Single, out: Single, masses: Single | None) -> bool: ...
    def unpack(
        self,
        slot: int,
        key: Single,
        value: Single,
        key_mean: Single,
        value_mean: Single,
        key_step: Single,
        value_step: Single,
    ) -> None: ...
    def repack(
        self,
        key: Single,
        value: Single,
        key_mean: Single,
        value_mean: Single,
        key_step: Single,
        value_step: Single,
    ) -> None: ...
    def sharing(self, slots: list[int]) -> KeyValueCache: ...
