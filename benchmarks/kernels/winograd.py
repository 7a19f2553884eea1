"""What Winograd's convolution could save: the 3 x 3 convolutions of a frame, and its products alone.

    python -m ermu.benchmarks.kernels.winograd [--bundle demo] [--size 257x465]

F(m, 3) computes m x m outputs of a 3 x 3 convolution from a tile of a x a inputs, a = m + 2, as a^2 products
of matrices (tiles x channels in, channels in x channels out) between two transforms (Lavin and Gray, 2016):
(9 m^2) / a^2 times fewer multiplications, 2.25 for F(2, 3) and 4 for F(4, 3). Timed here are, for every such
convolution, ONNX Runtime's own and the a^2 products by themselves in ONNX Runtime's matrix product. The bytes
that the transforms must move (the inputs read, the tiles written and read, the products written and read, the
outputs written) are added at the bandwidth of a large copy: less than that where tiles stay in a cache, more
since transforms also compute. The products alone are the bound, their sum with the bytes an estimate.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ermu.benchmarks.kernels.peers import Run, interleaved, single_node
from ermu.benchmarks.measures.flops import known_shapes, with_shapes
from ermu.devices.processors import usable_processors
from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import WHOLE
from ermu.runtime.bundle.sizes import Grids, SizeLimits, resolve

OUTPUTS = (2, 4)  # m
_COPIED = 1 << 26  # bytes, beyond any cache


@dataclass(frozen=True)
class Convolution:
    """A 3 x 3 convolution with stride 1, dilation 1 and one group.

    Attributes:
        channels_in, channels_out: Its channels.
        height, width: Of its output.
    """

    channels_in: int
    channels_out: int
    height: int
    width: int

    @property
    def gflop(self) -> float:
        """As a direct convolution, two operations a multiply-add."""
        return 18 * self.channels_in * self.channels_out * self.height * self.width / 1e9

    def tiles(self, m: int) -> int:
        """Tiles of m x m outputs that cover it."""
        return -(-self.height // m) * -(-self.width // m)

    def moved_bytes(self, m: int) -> int:
        """What the transforms of F(m, 3) read and write in fp32."""
        pixels, elements = self.height * self.width, (m + 2) ** 2 * self.tiles(m)
        return 4 * (self.channels_in + self.channels_out) * (pixels + 2 * elements)


def found_in(bundle: Bundle, symbols: Mapping[str, int]) -> Counter[Convolution]:
    """Such convolutions of a steady frame of one group, plan `whole`."""
    manifest = bundle.group_manifest
    plan = manifest.plans[WHOLE]
    found = Counter[Convolution]()
    for name in (plan.encode, *plan.propagation, plan.decode, plan.memorize):
        inputs = {t.name: resolve(t.shape, symbols) for t in manifest.graphs[name].inputs}
        model = with_shapes(bundle.graph_path(name), inputs)
        shapes = known_shapes(model)
        for node in model.graph.node:
            if node.op_type == "Conv" and _fits(node, shapes):
                out, weight = shapes[node.output[0]], shapes[node.input[1]]
                found[Convolution(weight[1], weight[0], *out[2:])] += out[0]
    return found


def _fits(node: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    options = {a.name: list(a.ints) or a.i for a in node.attribute}
    plain = options.get("strides", [1, 1]) == [1, 1] and options.get("dilations", [1, 1]) == [1, 1]
    return plain and options.get("group", 1) == 1 and shapes[node.input[1]][2:] == (3, 3)


def timed(convolution: Convolution, threads: int, repeats: int) -> dict[str, float]:
    """Median milliseconds: `direct`, and the products alone by m, `2` and `4`."""
    calls: dict[str, Run] = {"direct": _direct(convolution, threads)}
    for m in OUTPUTS:
        calls[str(m)] = _products(convolution, m, threads)
    return interleaved(calls, repeats)


def _direct(c: Convolution, threads: int) -> Run:
    random = np.random.default_rng(0)
    image = random.standard_normal((1, c.channels_in, c.height, c.width), np.float32)
    weight = random.standard_normal((c.channels_out, c.channels_in, 3, 3), np.float32)
    return single_node("Conv", {"image": image}, threads, held={"weight": weight}, pads=[1, 1, 1, 1])


def _products(c: Convolution, m: int, threads: int) -> Run:
    random, count = np.random.default_rng(0), (m + 2) ** 2
    tiles = random.standard_normal((count, c.tiles(m), c.channels_in), np.float32)
    weight = random.standard_normal((count, c.channels_in, c.channels_out), np.float32)
    return single_node("MatMul", {"tiles": tiles}, threads, held={"weight": weight})


def copied_gb_a_second(repeats: int = 20) -> float:
    """Bytes read and written by a large copy in one thread, over its time."""
    source = np.ones(_COPIED, np.uint8)
    target = np.zeros_like(source)
    (ms,) = interleaved({"copy": lambda: np.copyto(target, source)}, repeats).values()
    return 2 * _COPIED / ms / 1e6


def main() -> None:
    """Prints JSON: milliseconds a frame, as they are and as they might be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="demo")
    parser.add_argument("--size", default="257x465", help="of the network's input")
    parser.add_argument("--repeats", type=int, default=30)
    told = parser.parse_args()
    bundle, threads = Bundle.load(told.bundle), usable_processors()
    height, width = map(int, told.size.split("x"))
    rule = bundle.group_manifest.network.grid
    grids = Grids(*rule.network_size((height, width), SizeLimits(max(height, width))), rule)
    found = found_in(bundle, {**grids.symbols(), "G": 1, "T": 9})
    speed = copied_gb_a_second()
    totals = defaultdict[str, float](float)
    for convolution, times in found.items():
        ms = timed(convolution, threads, told.repeats)
        totals["direct_ms"] += times * ms["direct"]
        least = ms["direct"]
        for m in OUTPUTS:
            moving = convolution.moved_bytes(m) / speed / 1e6
            totals[f"f{m}_products_ms"] += times * ms[str(m)]
            totals[f"f{m}_estimated_ms"] += times * (ms[str(m)] + moving)
            least = min(least, ms[str(m)] + moving)
        totals["best_of_all_ms"] += times * least
    gflop = sum(times * convolution.gflop for convolution, times in found.items())
    print(
        json.dumps(
            {
                "convolutions": found.total(),
                "gflop": round(gflop, 2),
                "copy_gb_a_second": round(speed, 1),
                **{name: round(ms, 2) for name, ms in totals.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
