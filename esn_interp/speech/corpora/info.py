"""What is known of a corpus before it is loaded: the row of the catalogue, and the source of its docs page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from esn_interp.speech.clips import Clips


@dataclass(frozen=True)
class CorpusInfo:
    """What a corpus is and how to get it: `load(root, **options)`, without `root` where none is needed.

    ``labels`` says in full which of the corpus's own labels becomes which emotion; a label that is not in it
    is left out, and listed. ``counts`` are the clips of the whole release per emotion, as far as that is one
    release. ``conventions`` are choices of emotions that have a name in the literature.
    """

    name: str
    title: str
    licence: str
    needs_root: bool
    description: str
    load: Callable[..., Clips]
    home: str = ""
    download: str = ""
    layout: str = ""
    split: str = "by speaker"
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    conventions: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def size(self) -> int:
        """Clips of the whole release; 0 where it is not one release."""
        return sum(self.counts.values())
