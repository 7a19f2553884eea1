"""The report of a benchmark: what was measured, on what, against whom, with every raw sample."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ermu.errors import BenchmarkError
from ermu.runtime.files import replace_atomically

FORMAT_VERSION = 2
_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Percentiles(_Part):
    """Of milliseconds."""

    p50: float
    p90: float
    p99: float


class StepTimes(Percentiles):
    """Milliseconds of a step: percentiles over whole gap cycles, and the medians of both kinds of frame.

    Attributes:
        steady: Median of the frames that leave the memory bank alone.
        memory: Median of the frames that append to it, scoring and eviction included; None where none did.
    """

    steady: float
    memory: float | None


class Figures(_Part):
    """How fast one way of running the network is.

    Attributes:
        description: How it runs.
        precision: What it computes in.
        step_ms: Of a frame.
        cycle_ms: Median over gap cycles of the mean step: what a frame costs, memory frames included.
        fps: Frames over the sum of their steps.
        stages_ms: By stage, over the frames in which it ran.
        network: Of another system; None where it is the bundle's.
    """

    description: str
    precision: str
    step_ms: StepTimes
    cycle_ms: float
    fps: float
    stages_ms: dict[str, Percentiles]
    network: str | None = None


class Samples(_Part):
    """Raw milliseconds, in the order of the frames.

    Attributes:
        step_ms: Of every timed frame.
        memory: Whether it was a memory frame.
        stages_ms: By stage, of the frames in which it ran.
    """

    step_ms: list[float]
    memory: list[bool]
    stages_ms: dict[str, list[float]]


class Setup(_Part):
    """What ran.

    Attributes:
        bundle: Its path.
        checkpoint_sha256: Of the checkpoint behind it.
        source: Where the frames came from.
        source_size: (height, width) of a frame.
        network_size: (height, width) of the network's input.
        memory: T, memory frames held while timing.
        frames: Timed, for each candidate.
        threads: Of each candidate.
    """

    bundle: str
    network: str
    family: str
    checkpoint_sha256: str
    precision: str
    device: str
    backend: str
    policy: str
    source: str
    source_size: tuple[int, int]
    network_size: tuple[int, int]
    objects: int
    groups: int
    memory: int
    gap: int
    frames: int
    warmup: int
    threads: int


class Machine(_Part):
    """Where it ran.

    Attributes:
        kind: Short name that machines of one kind share.
        cores: Of the machine.
        affinity: Numbers of the cores that the process may run on.
        governor: Of the CPU clock, where it can be read.
        memory_gb: Of the machine.
        environment: Variables that steer thread pools, where they are set.
    """

    kind: str
    cpu: str
    cores: int
    affinity: tuple[int, ...]
    governor: str | None
    memory_gb: float
    system: str
    environment: dict[str, str]


class GemmPeak(_Part):
    """Best measured GFLOP/s (int8: GOP/s) of a 2048 x 2048 x 2048 product; bf16 only where ours ran in it."""

    fp32: float
    int8: float
    bf16: float | None = None


class Work(_Part):
    """GFLOP (two for a multiply-add) that a frame needs, by arithmetic."""

    fp32: float = 0.0
    int8: float = 0.0
    bf16: float = 0.0

    @property
    def total(self) -> float:
        return self.fp32 + self.int8 + self.bf16

    def floor_ms(self, peak: GemmPeak) -> float:
        """Milliseconds at the measured peak."""
        rounded = self.bf16 / (peak.bf16 or peak.fp32)
        return 1e3 * (self.fp32 / peak.fp32 + self.int8 / peak.int8 + rounded)


class Sustained(_Part):
    """A stream through the pipeline: capture, segmenting and sinks in their own threads.

    Attributes:
        sinks: Their names.
        frames: Timed for the rate.
        fps: Of every frame as fast as it goes, reading and writing included.
        camera_fps: Frames a second that came in while the latency was measured.
        capture_to_result_ms: From decoding to label map, only the newest frame counting, as from a camera.
    """

    source: str
    sinks: tuple[str, ...]
    frames: int
    fps: float
    camera_fps: float
    capture_to_result_ms: Percentiles


class ScalingRow(_Part):
    """One point of a scaling table.

    Attributes:
        value: T, size, objects, streams or lanes, as a label.
        cycle_ms: As in `Figures`; of one stream.
        fps: Of all streams together.
        relative: cycle_ms (streams, lanes: fps) over that of the first row.
        speedup: By peer.
    """

    value: str
    step_ms: StepTimes
    cycle_ms: float
    fps: float
    relative: float
    speedup: dict[str, float] = {}


class Report(_Part):
    """The whole of a result file.

    Attributes:
        speedup: A peer's `cycle_ms` over ours.
        agreement: Share of pixels with the same label as the peer's, each on its own label maps; of peers
            that run the same network.
        accuracy: Mean J on the timed clip, by candidate with trained weights; empty where its labels are not
            known.
        same_evictions: Whether the same frames left the bank in the same order; of the same peers.
        evictions: Frames that left ours.
        launches: What the median frame that appends nothing hands to the GPU's driver; None on the host.
        gflop_per_frame: Counted from the graphs, over all groups.
        work: The same by stage and arithmetic.
        floor_share: Time at the measured GEMM peak over the time measured, by stage and `overall`.
        peak_rss_mb: Of a process that runs ours alone.
        scaling: Tables by what varies: memory, size, objects, streams, lanes.
        samples: Raw, by candidate; `ours` is ours.
        others_cores: Processors that other processes kept busy meanwhile; None where nobody counted.
        spread: Between the quartiles of ours' gap cycles, over their median; None of too few.
    """

    format_version: int = FORMAT_VERSION
    created: str
    setup: Setup
    machine: Machine
    versions: dict[str, str]
    description: str
    precision: str
    step_ms: StepTimes
    cycle_ms: float
    fps: float
    stages_ms: dict[str, Percentiles]
    peers: dict[str, Figures]
    speedup: dict[str, float]
    agreement: dict[str, float]
    accuracy: dict[str, float] = {}
    same_evictions: dict[str, bool]
    evictions: int
    launches: int | None = None
    gflop_per_frame: float
    work: dict[str, Work]
    gemm_peak_gflops: GemmPeak
    floor_share: dict[str, float]
    peak_rss_mb: float
    sustained: Sustained | None = None
    scaling: dict[str, list[ScalingRow]] = {}
    samples: dict[str, Samples]
    others_cores: float | None = None
    spread: float | None = None

    @property
    def rivals(self) -> list[str]:
        """Peers that run the same network in no fewer bits than ours, the fastest first."""
        own = _BITS[self.setup.precision]
        same = {name: peer for name, peer in self.peers.items() if peer.network is None}
        equal = [name for name, peer in same.items() if _BITS[peer.precision] >= own]
        return sorted(equal, key=lambda name: self.peers[name].cycle_ms)

    @classmethod
    def load(cls, path: Path) -> Report:
        """Reads a result file.

        Raises:
            BenchmarkError: there is none, or it is not a report.
        """
        try:
            return cls.model_validate_json(path.read_text())
        except OSError as error:
            raise BenchmarkError(f"{path} cannot be read: {error.strerror}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BenchmarkError(
                f"{path}: {where or 'the file'}: {first['msg']}.",
                expected="a file that `ermu bench --json` wrote",
            ) from error

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_atomically(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n")
