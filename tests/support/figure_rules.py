"""What every figure must be, so that it can be read on a phone as well."""

import plotly.graph_objects as go

from esn_interp.drawing import theme


def fits_a_phone(figure: go.Figure) -> None:
    assert figure.layout.template == theme.TEMPLATE
    lines = figure.layout.title.text.replace("</span>", "").split("<br>")
    texts = [line.rsplit(">", 1)[-1] for line in lines]
    assert len(texts[0]) <= 42
    assert max(map(len, texts)) <= 56
