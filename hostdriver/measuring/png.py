"""Writes a picture as PNG, with Pillow and the font that comes with it, which is a Latin one."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hostdriver.errors import MissingComponentError
from hostdriver.measuring.scene import Box, Label, Scene
from protocols.i18n import N_

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_DENSITY = 2
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def check_pillow() -> None:
    """Before a run whose picture could not be drawn.

    :raises MissingComponentError: Pillow is not installed.
    """
    if find_spec("PIL") is None:
        raise MissingComponentError(N_("--png needs Pillow: pip install pillow; --svg needs nothing"))


def png(scene: Scene) -> bytes:
    """The picture's file, two pixels for each of the scene's; `check_pillow` has been asked."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (scene.width * _DENSITY, scene.height * _DENSITY))
    canvas = ImageDraw.Draw(image)
    for shape in scene.shapes:
        _box(canvas, shape) if isinstance(shape, Box) else _label(canvas, shape)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _box(canvas: ImageDraw, box: Box) -> None:
    left, top = round(box.x * _DENSITY), round(box.y * _DENSITY)
    right = max(round((box.x + box.width) * _DENSITY) - 1, left)
    bottom = max(round((box.y + box.height) * _DENSITY) - 1, top)
    canvas.rectangle((left, top, right, bottom), fill=box.fill)


def _label(canvas: ImageDraw, label: Label) -> None:
    from PIL import ImageFont

    place = (label.x * _DENSITY, label.y * _DENSITY)
    canvas.text(
        place,
        label.text,
        fill=label.fill,
        font=ImageFont.load_default(label.size * _DENSITY),
        anchor=_ANCHORS[label.anchor],
        stroke_width=0.4 if label.bold else 0,
        stroke_fill=label.fill,
    )
