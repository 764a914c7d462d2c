"""Writes a picture as SVG: no script, no font of its own, nothing from outside."""

from __future__ import annotations

from html import escape

from hostdriver.measuring.scene import Box, Label, Scene, Shape

_FONTS = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'Helvetica Neue', Arial, sans-serif"


def svg(scene: Scene) -> str:
    """The picture as a document."""
    size = f'width="{scene.width}" height="{scene.height}" viewBox="0 0 {scene.width} {scene.height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONTS}">'
    return "\n".join((head, *map(_element, scene.shapes), "</svg>", ""))


def _element(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, fill):
            return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'
        case Label(x, y, text, size, fill, anchor, bold):
            weight = ' font-weight="600"' if bold else ""
            place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
            return f'<text {place} font-size="{size}" fill="{fill}"{weight}>{escape(text)}</text>'
