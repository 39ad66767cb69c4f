"""Pictures as SVG, without a library that draws: boxes, bars, lines and words on white paper."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from pouta import files

LETTER = 6.2  # pixels, on average
INK, PAPER, LINE = "#24292f", "#ffffff", "#8c959f"


class Picture:
    """An SVG picture. A notebook shows it; `save` writes it to a file."""

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file, which a browser shows."""
        file = files.path_of(path)
        with files.written(file):
            file.write_text(self.svg, encoding="utf-8")
        return file

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Picture({len(self.svg)} characters of SVG; .save('picture.svg') writes it)"


@dataclass
class Canvas:
    """SVG elements; lines lie below boxes."""

    lines: list[str] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.lines.append(f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{LINE}" stroke-width="2"/>')

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        edge: str,
        *texts: str,
        fill: str = PAPER,
        dash: bool = False,
    ) -> None:
        dashes = ' stroke-dasharray="4 3"' if dash else ""
        self.boxes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" '
            f'stroke="{edge}" stroke-width="1.5"{dashes}/>'
        )
        for number, text in enumerate(texts):
            self.text(x + 8, y + 17 + 16 * number, text, width - 16, bold=number == 0)

    def text(self, x: float, y: float, text: str, width: float, *, bold: bool = False) -> None:
        weight = ' font-weight="600"' if bold else ""
        self.boxes.append(f'<text x="{x}" y="{y}"{weight}>{_short(text, width)}</text>')

    def bar(self, x: float, y: float, width: float, text: str) -> None:
        self.boxes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="22" rx="11" fill="{INK}"/>'
            f'<text x="{x + 12}" y="{y + 15.5}" fill="{PAPER}">{_short(text, width - 16)}</text>'
        )

    def svg(self, width: float, height: float) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="12" '
            f'fill="{INK}" role="img"><rect width="{width}" height="{height}" fill="{PAPER}"/>'
            + "".join(self.lines + self.boxes)
            + "</svg>"
        )


def _short(text: Any, width: float) -> str:
    """As much of a text as fits, made safe for SVG; all of it where the pointer rests.

    Its end stays, for things made together often differ there.
    """
    room = int(width / LETTER)
    words = "".join(letter if letter.isprintable() else " " for letter in str(text or ""))
    if len(words) <= room:
        return escape(words)
    start, end = room - 1 - room // 2, room // 2
    return f"{escape(words[:start])}…{escape(words[-end:])}<title>{escape(words)}</title>"
