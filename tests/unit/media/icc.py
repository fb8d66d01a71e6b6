"""ICC profiles made on the fly (ICC.1:2001-04, version 2): three primaries or grey, and one gamma."""

from __future__ import annotations

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
# Columns are the primaries adapted to D50 (Bradford), as the profiles that go round have them.
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def profile(space: bytes, gamma: float, columns: tuple[tuple[float, ...], ...] = (), kind: bytes = b"mntr") -> bytes:
    """A whole profile; `space` is b"RGB " or b"GRAY"."""
    curve = struct.pack(">4sII H", b"curv", 0, 1, round(gamma * 256))
    tags = {b"desc": _description(b"A test"), b"cprt": b"text" + bytes(4) + b"none\x00", b"wtpt": _xyz(D50)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for name, column in zip(b"rgb", columns, strict=True):
            tags[bytes([name]) + b"XYZ"] = _xyz(column)
            tags[bytes([name]) + b"TRC"] = curve
    table, data, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(data), len(value))
        data += value
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, kind, space, b"XYZ ") + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    head += bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return head.ljust(128, b"\x00") + struct.pack(">I", len(tags)) + table + data


def wanted(pixels: np.ndarray, gamma: float, columns: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """sRGB, in floats 0 to 255, of uint8 [... 3] by the plain arithmetic of such a profile."""
    xyz = (pixels / 255.0) ** gamma @ np.array(columns)
    linear = np.clip(xyz @ np.linalg.inv(np.array(SRGB)), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _description(name: bytes) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + b"\x00" + bytes(78)
