"""The toy's bundle: graphs written out as text. Their tensors' names are not those of any real network."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import parser

from ermu.runtime.bundle.bundle import Bundle
from ermu.runtime.bundle.manifest import FORMAT_VERSION, WHOLE, NetworkInfo
from ermu.runtime.bundle.object_manifest import ObjectManifest, ObjectPlan
from ermu.runtime.bundle.parts import GraphInfo, InputInfo, MemoryInfo, Provenance, TensorInfo
from ermu.runtime.bundle.roles import Role
from ermu.runtime.files import sha256_of

SIDE = 64
CAPACITY = 4  # num_maskmem
MOST_POINTERS = 6  # max_object_pointers_in_encoder
ROWS = ((0.5, -0.25), (0.125, 0.75), (-0.375, 0.25), (1.0, 0.5))

ROLES = {
    "picture": Role.INPUT,
    "fine": Role.FEATURES,
    "middle": Role.FEATURES,
    "coarse": Role.FEATURES,
    "blank": Role.UNCONDITIONED,
    "mixed": Role.CONDITIONED,
    "past": Role.MEMORIES,
    "past_rows": Role.MEMORY_ROWS,
    "hints": Role.POINTERS,
    "hint_ages": Role.POINTER_AGES,
    "heat": Role.LOGITS,
    "there": Role.PRESENCE,
    "hint": Role.POINTER,
    "drawn": Role.MASK,
    "clicks": Role.POINTS,
    "click_signs": Role.POINT_SIGNS,
    "stored": Role.MEMORIZED,
}

_FOUND = "float[16,16] heat, float[1] there, float[3] hint"
_FEATURES = "float[3,16,16] fine, float[3,8,8] middle, float[3,4,4] coarse"
_CONSTANTS = """
    d0 = Constant<value_ints=[0]>()
    d1 = Constant<value_ints=[1]>()
    d01 = Constant<value_ints=[0, 1]>()
    d12 = Constant<value_ints=[1, 2]>()
    column = Constant<value_ints=[16, 1]>()
    half = Constant<value_float=0.5>()
    tenth = Constant<value_float=0.1>()
    hundredth = Constant<value_float=0.01>()
    two = Constant<value_float=2.0>()
    eight = Constant<value_float=8.0>()
    ten = Constant<value_float=10.0>()
    twenty = Constant<value_float=20.0>()
"""
_HEAT = """
    grey = ReduceMean<keepdims=0>(fine, d0)
    bright = Sub(grey, half)
    scaled = Mul(bright, eight)
    level = ReduceMean<keepdims=0>(mixed)
    seen = Add(scaled, level)
    mean = ReduceMean<keepdims=0>(mixed, d12)
"""
_STORED = """
    flat = ReduceMean<keepdims=0>(coarse, d0)
    look = Reshape(flat, column)
    sure = Mul(there, tenth)
    first = Add(look, sure)
"""
GRAPHS = {
    "encode": f"""(float[1,64,64,3] picture) => ({_FEATURES}, float[3,4,4] blank) {{ {_CONSTANTS}
        planes = Transpose<perm=[0, 3, 1, 2]>(picture)
        white = Constant<value_float=255.0>()
        unit = Div(planes, white)
        pool4 = AveragePool<kernel_shape=[4, 4], strides=[4, 4]>(unit)
        pool8 = AveragePool<kernel_shape=[8, 8], strides=[8, 8]>(unit)
        pool16 = AveragePool<kernel_shape=[16, 16], strides=[16, 16]>(unit)
        fine = Squeeze(pool4, d0)
        middle = Squeeze(pool8, d0)
        coarse = Squeeze(pool16, d0)
        blank = Add(coarse, ten)
    }}""",
    "recall": f"""(float[3,4,4] coarse, float[T,16,2] past, float[T,2] past_rows, float[P,3] hints,
        float[P] hint_ages) => (float[3,4,4] mixed) {{ {_CONSTANTS}
        rows = Unsqueeze(past_rows, d1)
        placed = Mul(past, rows)
        remembered = ReduceSum<keepdims=0>(placed)
        ages = Unsqueeze(hint_ages, d1)
        aged = Mul(hints, ages)
        pointed = ReduceSum<keepdims=0>(aged)
        both = Add(remembered, pointed)
        little = Mul(both, hundredth)
        turn = Sin(little)
        mixed = Add(coarse, turn)
    }}""",
    "segment": f"""(float[3,4,4] mixed, float[3,16,16] fine) => ({_FOUND}) {{ {_CONSTANTS} {_HEAT}
        heat = Identity(seen)
        most = ReduceMax<keepdims=0>(seen)
        there = Unsqueeze(most, d0)
        hint = Identity(mean)
    }}""",
    "point": f"""(float[3,4,4] mixed, float[3,16,16] fine, float[K,2] clicks, float[K] click_signs)
        => ({_FOUND}) {{ {_CONSTANTS} {_HEAT}
        signs = Unsqueeze(click_signs, d1)
        weighed = Mul(clicks, signs)
        total = ReduceSum<keepdims=0>(weighed)
        said = Mul(total, hundredth)
        heat = Add(seen, said)
        most = ReduceMax<keepdims=0>(heat)
        there = Unsqueeze(most, d0)
        hint = Add(mean, said)
    }}""",
    "label": f"""(float[64,64] drawn, {_FEATURES}) => ({_FOUND}) {{ {_CONSTANTS}
        batch = Unsqueeze(drawn, d01)
        pooled = AveragePool<kernel_shape=[4, 4], strides=[4, 4]>(batch)
        small = Squeeze(pooled, d01)
        spread = Mul(small, twenty)
        heat = Sub(spread, ten)
        any = ReduceMax<keepdims=0>(drawn)
        yes = Mul(any, twenty)
        score = Sub(yes, ten)
        there = Unsqueeze(score, d0)
        share = ReduceMean<keepdims=0>(drawn)
        mean = ReduceMean<keepdims=0>(coarse, d12)
        hint = Add(mean, share)
    }}""",
    "memorize": f"""(float[3,4,4] coarse, float[16,16] heat, float[1] there) => (float[16,2] stored) {{
        {_CONSTANTS} {_STORED}
        batch = Unsqueeze(heat, d01)
        pooled = AveragePool<kernel_shape=[4, 4], strides=[4, 4]>(batch)
        soft = Sigmoid(pooled)
        second = Reshape(soft, column)
        stored = Concat<axis=1>(first, second)
    }}""",
    "memorize_prompt": f"""(float[3,4,4] coarse, float[64,64] drawn, float[1] there)
        => (float[16,2] stored) {{ {_CONSTANTS} {_STORED}
        batch = Unsqueeze(drawn, d01)
        pooled = AveragePool<kernel_shape=[16, 16], strides=[16, 16]>(batch)
        certain = Add(pooled, two)
        second = Reshape(certain, column)
        stored = Concat<axis=1>(first, second)
    }}""",
}


def write_toy(folder: Path) -> Bundle:
    """Writes the toy's bundle to a new folder."""
    folder.mkdir()
    manifest = ObjectManifest(
        format_version=FORMAT_VERSION,
        kind="object",
        network=NetworkInfo(name="toy", family="toys", encoder="pools", align_corners=False),
        memory=MemoryInfo(policy="fifo", capacity=CAPACITY, gap=1, gap_rule="constant"),
        input=InputInfo(size=(SIDE, SIDE), dtype="float32", long_edge=SIDE, resampling="antialiased"),
        precision="fp32",
        graphs={name: _written(name, text, folder) for name, text in GRAPHS.items()},
        plans={WHOLE: ObjectPlan(**{name: name for name in GRAPHS})},
        memory_rows=ROWS,
        most_pointers=MOST_POINTERS,
        provenance=Provenance(
            checkpoint="none", checkpoint_sha256="", ignored_keys=(), created="", tools={}, licence="none"
        ),
    )
    (folder / "manifest.json").write_text(manifest.to_json())
    return Bundle.load(folder)


def _written(name: str, text: str, folder: Path) -> GraphInfo:
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {name} {text}')
    onnx.checker.check_model(model)
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    return GraphInfo(
        file=path.name,
        sha256=sha256_of(path),
        inputs=tuple(_described(value) for value in model.graph.input),
        outputs=tuple(_described(value) for value in model.graph.output),
        max_difference=0.0,
    )


def _described(value: onnx.ValueInfoProto) -> TensorInfo:
    sides = value.type.tensor_type.shape.dim
    shape = tuple(side.dim_param or side.dim_value for side in sides)
    return TensorInfo(name=value.name, dtype="float32", shape=shape, role=ROLES[value.name])
