"""How results of a study are kept: each once, under a name that tells all that it depends on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from esn_interp.studies.cache import AnyStorable, Store, digest


class Storing:
    """What stores its results, and remembers in ``files`` where, by name and relative to the folder of the study."""

    store: Store
    files: dict[str, str]

    @property
    def title(self) -> str:
        """What it is called in the study."""
        raise NotImplementedError

    def stored(
        self,
        stage: str,
        about: dict[str, Any],
        make: Callable[[], AnyStorable],
        load: Callable[[Path], AnyStorable],
        *,
        name: str = "",
        suffix: str = ".json",
    ) -> AnyStorable:
        """A result from the store, where it is named by all that it is about; made where it is not there yet."""
        key = digest(about)
        self.store.look(f"{self.title}, {name or stage}", about)
        result = self.store.fetch(stage, key, make, load, suffix=suffix)
        self.files[name or stage] = self.store.path(stage, key, suffix).relative_to(self.store.folder.parent).as_posix()
        return result
