"""The kernels' arguments: the C structs of `src/`, field by field."""

from __future__ import annotations

from ctypes import Structure, c_double, c_float, c_int, c_void_p


class MassParams(Structure):
    """Arguments of `slot_sums_*` and `slot_codes_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("query", "keys", "rows", "picked", "number", "zeros")),
        *((name, c_void_p) for name in ("peaks", "sums", "fault")),
        *((name, c_int) for name in ("count", "tokens", "slots", "heads")),
        *((name, c_float) for name in ("query_scale", "key_scale", "unit")),
    )


class CombineParams(Structure):
    """Arguments of `combine_masses`."""

    _fields_ = (
        *((name, c_void_p) for name in ("peaks", "sums", "masses", "number")),
        *((name, c_int) for name in ("count", "slots", "heads")),
    )


class PickParams(Structure):
    """Arguments of `pick_queries`."""

    _fields_ = (
        *((name, c_void_p) for name in ("foreground", "picked", "number", "fault")),
        ("tokens", c_int),
    )


class WeighParams(Structure):
    """Arguments of `weigh_masses`."""

    _fields_ = (
        *((name, c_void_p) for name in ("masses", "foreground", "picked", "number", "relevance", "fault")),
        *((name, c_int) for name in ("count", "slots")),
    )


class RangeParams(Structure):
    """Arguments of `channel_range_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("query", "keys", "sum", "low", "high")),
        *((name, c_int) for name in ("tokens", "channels")),
    )


class QuantiseParams(Structure):
    """Arguments of `quantise`."""

    _fields_ = (
        *((name, c_void_p) for name in ("sum", "low", "high", "rows", "shift", "zeros", "fault")),
        *((name, c_double) for name in ("scale", "step")),
        *((name, c_int) for name in ("tokens", "slots", "channels")),
    )


class GramParams(Structure):
    """Arguments of `key_gram_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("keys", "sums", "dots", "fault")),
        *((name, c_int) for name in ("slot", "capacity", "tokens", "channels")),
    )


class CosineParams(Structure):
    """Arguments of `slot_cosines`."""

    _fields_ = (
        *((name, c_void_p) for name in ("sums", "dots", "rows", "similarity")),
        *((name, c_int) for name in ("slots", "capacity", "tokens", "channels")),
    )


class ShareParams(Structure):
    """Arguments of `redundancy_shares`."""

    _fields_ = (("similarity", c_void_p), ("redundancy", c_void_p), ("slots", c_int))


class ForegroundParams(Structure):
    """Arguments of `foreground_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "active", "foreground", "fault")),
        *((name, c_int) for name in ("channels", "height", "width", "align_corners")),
    )


class LabelParams(Structure):
    """Arguments of `label_map_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "active", "source", "fault")),
        *((name, c_int) for name in ("groups", "channels", "in_h", "in_w", "source_h", "source_w")),
        ("align_corners", c_int),
    )


class SplitParams(Structure):
    """Arguments of `split_groups`."""

    _fields_ = (
        ("source", c_void_p),
        ("network", c_void_p),
        ("step_y", c_double),
        ("step_x", c_double),
        *((name, c_int) for name in ("groups", "source_h", "source_w", "network_h", "network_w")),
    )


class SurveyParams(Structure):
    """Arguments of `clear_survey`, `survey_pixels` and `survey_places_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("logits", "active", "rows", "columns", "source", "out")),
        *((name, c_int) for name in ("channels", "in_h", "in_w", "source_h", "source_w", "labels")),
    )


class FrameParams(Structure):
    """Arguments of `prepare_frame_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("frame", "resized", "row_at", "column_at")),
        *((name, c_void_p) for name in ("row_weights", "column_weights")),
        *((name, c_int) for name in ("source_w", "network_h", "network_w", "row_taps", "column_taps")),
    )


class Nv12Params(Structure):
    """Arguments of `prepare_nv12_*`."""

    _fields_ = (
        *((name, c_void_p) for name in ("luma", "chroma", "resized", "row_at", "column_at")),
        *((name, c_void_p) for name in ("row_weights", "column_weights")),
        *((name, c_float) for name in ("black", "gain", "red_v", "green_u", "green_v", "blue_u")),
        *((name, c_int) for name in ("luma_pitch", "chroma_pitch", "source_w")),
        *((name, c_int) for name in ("network_h", "network_w", "row_taps", "column_taps")),
    )


class IdentityParams(Structure):
    """Arguments of `identity_tokens`."""

    _fields_ = (
        *((name, c_void_p) for name in ("table", "bias", "label", "out")),
        *((name, c_int) for name in ("labels", "side", "padding", "channels", "height", "width")),
    )
