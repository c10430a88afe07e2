"""Formulas as MathML, which browsers draw by themselves: no script, no font and no network are needed."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# The prime sign is raised already. As a superscript it would be raised and shrunk once more, until in a
# subscript nobody can tell e from e'.
_PRIME = re.compile(r"<msup>(<mi>\w</mi>)<mi>&#x02032;</mi></msup>")


def _mathml(latex: str, display: str) -> str:
    mathml = convert(latex, display=display)
    return _PRIME.sub(r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>', mathml)


def _inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _parts(latex: str) -> list[str]:
    """What a wide space sets apart, outside of braces and environments: each may stand on a line of its own."""
    parts, depth = [""], 0
    for piece in re.split(r"(\\qquad|\\quad|\\begin|\\end|\\left|\\right(?!arrow)|\\?[{}])", latex):
        depth += piece in ("{", "\\begin", "\\left")
        depth -= piece in ("}", "\\end", "\\right")
        if piece in ("\\qquad", "\\quad") and not depth:
            parts.append("")
        else:
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def _block(writer: HTML5Translator, node: nodes.math_block) -> None:
    parts = "".join(_mathml(part, "block") for part in _parts(node.astext()))
    writer.body.append(f'<div class="formula">{parts}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
