"""What was said, stored: sounds by clip and target, for players and for listeners."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from esn_interp.entries import Entries
from esn_interp.files import load_tensors, save_tensors
from esn_interp.speech.playable import Speech
from esn_interp.tasks.conversion_record import Conversion

KIND, VERSION = "conversion sounds", 1


@dataclass(frozen=True, eq=False)
class Sounds:
    """Conversions that can be played, by clip and target; those without a sound are there with an empty one."""

    of: dict[tuple[str, str], Speech]

    @classmethod
    def made(cls, conversions: Sequence[Conversion]) -> "Sounds":
        """From conversions that were just made."""
        return cls(
            {(o.clip, o.target): Speech(o.waveform, o.rate, o.text, o.problem) for o in conversions}
        )

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file."""
        waves: dict[str, Float[np.ndarray, " sample"]] = {
            str(at): np.asarray(speech.waveform, dtype=np.float32) for at, speech in enumerate(self.of.values())
        }
        lines = [
            [*where, speech.sampling_rate, speech.text, speech.problem] for where, speech in self.of.items()
        ]
        save_tensors(path, waves, {"kind": KIND, "version": VERSION, "sounds": lines})

    @classmethod
    def load(cls, path: str | Path) -> "Sounds":
        """Read what `save` wrote."""
        waves, header = load_tensors(path, kind=KIND, version=VERSION)
        told, found = Entries(header, where=str(path)), dict[tuple[str, str], Speech]()
        for at, line in enumerate(told.take("sounds", list[list[str | int | None]])):
            match line:
                case [str(clip), str(target), int(rate), str(text), str() | None as problem] if str(at) in waves:
                    found[clip, target] = Speech(waves[str(at)], rate, text, problem)
                case _:
                    raise told.damaged("sounds", f"is wrong at {at}, or its array is missing")
        return cls(found)
