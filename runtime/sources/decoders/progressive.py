"""Whether a stream's own header says that none of its frames is interlaced."""

from __future__ import annotations

_NEVER = {"vp80", "vp90", "vp09", "av01", "png", "gif"}  # codecs without fields
_H264 = {"h264", "x264", "avc1", "avc3", "davc"}
_MPEG2 = {"mpg2", "mpeg", "m2v1"}
_MPEG4 = {"fmp4", "mp4v", "xvid", "divx", "dx50"}
_HEVC = {"hevc", "hvc1", "hev1", "h265", "x265"}
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles with a chroma format
_H264_SPS, _HEVC_SPS = 7, 33


def is_progressive(codec: str, header: bytes) -> bool:
    """True where the header rules interlaced frames out; False where it does not, or cannot be read.

    Args:
        codec: Its FourCC.
        header: The codec's data from the container (avcC, hvcC), or parameter sets in Annex B form.
    """
    codec = codec.lower().strip("\0 ")
    try:
        if codec in _H264:
            return _h264(header)
        if codec in _HEVC:
            return _hevc(header)
        if codec in _MPEG2:
            return _mpeg2(header)
        if codec in _MPEG4:
            return _mpeg4(header)
    except (IndexError, StopIteration):  # cut short, or none
        return False
    return codec in _NEVER


def _h264(header: bytes) -> bool:
    """ITU-T H.264, 7.3.2.1.1 and E.1.1: frame_mbs_only_flag, and no pic_struct in SEI messages."""
    sets = [header[8:]] if header[0] == 1 else [unit for unit in _units(header) if unit[0] & 31 == _H264_SPS]
    bits = _Bits(_plain(sets[0])[1:])
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    if profile in _HIGH:
        _skip_formats(bits)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golombs(2)
        bits.golombs(bits.golomb())
    bits.golomb()
    bits.take(1)
    bits.golombs(2)
    if not bits.take(1):
        return False
    bits.take(1)
    if bits.take(1):
        bits.golombs(4)
    return not (bits.take(1) and _tells_structures(bits))


def _skip_formats(bits: _Bits) -> None:
    chroma = bits.golomb()
    if chroma == 3:
        bits.take(1)
    bits.golombs(2)
    bits.take(1)
    if not bits.take(1):
        return
    for number in range(12 if chroma == 3 else 8):
        if bits.take(1):
            _skip_scaling(bits, 16 if number < 6 else 64)


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.golomb()
            following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
        last = following or last


def _tells_structures(bits: _Bits) -> bool:
    """pic_struct_present_flag of the video usability information."""
    if bits.take(1) and bits.take(8) == 255:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    if bits.take(1):
        bits.golombs(2)
    if bits.take(1):
        bits.take(65)
    decoders = 0
    for _ in range(2):  # of NAL units, of slices
        if bits.take(1):
            _skip_reference_decoder(bits)
            decoders += 1
    if decoders:
        bits.take(1)
    return bool(bits.take(1))


def _skip_reference_decoder(bits: _Bits) -> None:
    count = bits.golomb() + 1
    bits.take(8)
    for _ in range(count):
        bits.golombs(2)
        bits.take(1)
    bits.take(20)


def _hevc(header: bytes) -> bool:
    """ITU-T H.265, 7.4.4: general_progressive_source_flag alone of the two that name the scan."""
    if header[0] == 1:
        return header[6] >> 6 == 0b10
    sets = [unit for unit in _units(header) if unit[0] >> 1 & 63 == _HEVC_SPS]
    return _plain(sets[0])[8] >> 6 == 0b10


def _mpeg2(header: bytes) -> bool:
    """ITU-T H.262, 6.2.2.3: progressive_sequence of the sequence extension."""
    extensions = [unit for unit in _units(header) if unit[0] == 0xB5 and unit[1] >> 4 == 1]
    return bool(extensions[0][2] >> 3 & 1)


def _mpeg4(header: bytes) -> bool:
    """ISO/IEC 14496-2, 6.2.3: interlaced of a rectangular video object layer."""
    bits = _Bits(next(unit for unit in _units(header) if unit[0] >> 4 == 2)[1:])
    bits.take(9)
    if bits.take(1):
        bits.take(7)
    if bits.take(4) == 15:
        bits.take(16)
    if bits.take(1):
        bits.take(3)
        if bits.take(1):
            bits.take(79)
    if bits.take(2):
        return False
    bits.take(1)
    ticks = bits.take(16)
    bits.take(1)
    if bits.take(1):
        bits.take(max(1, (ticks - 1).bit_length()))
    bits.take(29)
    return not bits.take(1)


def _units(stream: bytes) -> list[bytes]:
    """Of a stream in Annex B form."""
    return [unit for unit in stream.split(b"\0\0\1")[1:] if unit]


def _plain(unit: bytes) -> bytes:
    """Without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\3", b"\0\0")


class _Bits:
    """Reads bits of a parameter set, highest first; IndexError behind its end."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def take(self, count: int) -> int:
        self._at += count
        if self._at > len(self._bits):
            raise IndexError
        return int(self._bits[self._at - count : self._at], 2)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)

    def golombs(self, count: int) -> None:
        """Passes over codes, of whichever sign."""
        for _ in range(count):
            self.golomb()
