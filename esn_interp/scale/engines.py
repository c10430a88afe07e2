"""Who does the shards of some work: this process, or others that an engine finds."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

Work = Callable[[Any], Any]
"""Does one shard. It travels to whoever does it, so it loads a model only when it is first called."""


@runtime_checkable
class Engine(Protocol):
    """Does the shards of some work."""

    def results(self, work: Work, shards: Sequence[Any]) -> Iterator[Any]:
        """What the work makes of each shard, in their order; what it raises is raised here."""
        ...


class Here:
    """This process, shard by shard: what every other engine is held against."""

    def results(self, work: Work, shards: Sequence[Any]) -> Iterator[Any]:
        """What the work makes of each shard."""
        return map(work, shards)
