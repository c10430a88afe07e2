"""The corpora in miniature, as their owners ship them: the same folders, names and tables; tones for audio.

`LAYOUTS` says of each how it is built and what must come out of it; whoever adds a corpus adds a layout here.
"""

from miniature_corpora import acted_elsewhere, acted_in_english, conversations
from miniature_corpora.parts import Layout

LAYOUTS: dict[str, Layout] = conversations.LAYOUTS | acted_in_english.LAYOUTS | acted_elsewhere.LAYOUTS
