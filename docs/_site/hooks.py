"""What MkDocs does with our pages beyond Markdown, at build time and without a network.

Reference and evidence pages are generated from the code and from measurements/; equations become MathML; pictures
under pictures/ are put into the page, so that they follow its light or dark colours.
"""

from __future__ import annotations

import html as markup
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT)]

import evidence  # noqa: E402
import reference  # noqa: E402

_PICTURE = re.compile(r'<img alt="([^"]*)" src="(?:\.\./)*pictures/(\w+)\.svg"\s*/?>')
_STYLE = re.compile(r"<style>.*?</style>\n?", re.DOTALL)
_CELL = re.compile(r"<t[hd][ >].*?</t[hd]>", re.DOTALL)
_CODE = re.compile(r"(?<=<code>)[^<]*")
_MATH = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages; the navigation names them like written ones."""
    for path, content in {**reference.pages(), **reference.assets()}.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Fill in the tables that a page asks for: `<!-- measured: parity -->`."""
    return evidence.fill(markdown)


def on_page_content(html: str, **context: Any) -> str:
    """Equations as MathML, pictures in the page, names in tables that may break behind an underscore."""
    html = _MATH.sub(lambda match: _mathml(match.group(3), match.group(2) == "["), html)
    html = _CELL.sub(lambda cell: _CODE.sub(lambda code: code[0].replace("_", "_<wbr>"), cell[0]), html)
    return _PICTURE.sub(lambda match: _inlined(match.group(2), match.group(1)), html)


def _mathml(source: str, block: bool) -> str:

    return convert(markup.unescape(source), display="block" if block else "inline")


def _inlined(name: str, alt: str) -> str:
    svg = _STYLE.sub("", (ROOT / "docs" / "pictures" / f"{name}.svg").read_text())
    return f'<span class="picture" aria-label="{alt}">{svg.strip()}</span>'
