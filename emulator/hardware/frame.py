"""The panel's frame buffer: a screen drawn in black on white, one bit per pixel."""

from __future__ import annotations

import io
from dataclasses import dataclass

from emulator.hardware import font
from emulator.hardware.display import Geometry, Screen, rows_of
from protocols.errors import MissingPackageError
from protocols.i18n import N_

__all__ = ["MAX_SCALE", "Frame", "draw_screen"]

MAX_SCALE = 32

_MAX_PIXELS = 1 << 26
"""The largest picture, 8192 by 8192; Pillow's reader warns from 89 million pixels on."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of the panel.

    :param width: in pixels, as is `height`.
    :param bits: the rows from the top, each of ceil(width / 8) bytes, the leftmost pixel in the most significant
        bit, 1 = ink; the bits past the width are 0.
    :raises ValueError: not that many bytes.
    """

    width: int
    height: int
    bits: bytes

    def __post_init__(self) -> None:
        if len(self.bits) != _stride(self.width) * self.height:
            raise ValueError(f"{len(self.bits)} bytes are no frame of {self.width} by {self.height} pixels")

    def ink(self, x: int, y: int) -> bool:
        """Whether the pixel is black; (0, 0) is the top left one.

        :raises IndexError: outside the frame.
        """
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise IndexError(f"({x}, {y}) is outside {self.width} by {self.height} pixels")
        return bool(self.bits[y * _stride(self.width) + x // 8] & 0x80 >> x % 8)

    def png(self, scale: int = 1) -> bytes:
        """The frame as a PNG of one bit per pixel, black on white, each pixel a square of `scale` by `scale`.

        :param scale: 1 to 32, and no more than 2**26 pixels in the whole picture.
        :raises ValueError: another scale.
        :raises MissingPackageError: Pillow is not installed.
        """
        largest = max(
            (by for by in range(1, MAX_SCALE + 1) if self.width * self.height * by * by <= _MAX_PIXELS),
            default=0,
        )
        if not 1 <= scale <= largest:
            raise ValueError(f"the scale is {scale}; it must be from 1 to {largest}")
        try:
            from PIL import Image
        except ImportError:
            raise MissingPackageError(N_("pictures need Pillow: pip install 'vukey[panel]'")) from None
        size = (self.width, self.height)
        image = Image.frombytes("1", size, self.bits, "raw", "1;I")  # ink is 1 here, white is 1 there
        if scale > 1:
            image = image.resize((self.width * scale, self.height * scale), Image.Resampling.NEAREST)
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()


def draw_screen(screen: Screen, width: int, height: int) -> Frame:
    """What a panel of that size shows: its text rows from the top, nothing in what is left over at the edges.

    :param width: in pixels, one cell (8) or more.
    :param height: in pixels, two rows (32) or more.
    :raises MissingGlyphError: the font lacks a character of the text; a message's are refused before (E12).
    """
    stride = _stride(width)
    rows = rows_of(screen, Geometry.of_pixels(width, height))
    return Frame(width, height, b"".join(_row(text, stride) for text in rows).ljust(stride * height, b"\0"))


def _row(text: str, stride: int) -> bytes:
    """One text row: 16 rows of pixels, each `stride` bytes, for a cell is as wide as a byte."""
    cells = font.draw(text).ljust(stride * font.CELL_HEIGHT, b"\0")
    return b"".join(cells[y :: font.CELL_HEIGHT] for y in range(font.CELL_HEIGHT))


def _stride(width: int) -> int:
    return -(-width // 8)
