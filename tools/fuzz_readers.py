"""Bytes of all kinds at the readers of files, led by what they reach: nothing but an EsnError may come of them.

    pip install atheris                                     # not among the pins: it has no wheel for every platform
    python tools/fuzz_readers.py -max_total_time=60         # options of libFuzzer; ends with 1 at the first other error
"""

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import atheris  # noqa: E402  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["esn_interp"]):
    from malformed_cases import ANSWERS, CONFIG, NEURONS, PAIRS, RESULTS, STATISTICS, TABLE, WRITTEN

    from esn_interp.analysis.listening.answers import read_answers
    from esn_interp.analysis.listening.pairs import read_pairs
    from esn_interp.analysis.written import load_result
    from esn_interp.errors import EsnError
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics
    from esn_interp.speech.corpora.tables import lines_of_json, text_table
    from esn_interp.speech.splits import Assignment
    from esn_interp.studies.config import load_config
    from esn_interp.studies.recognition.config import RecognitionConfig

READERS: list[tuple[str, bytes, Callable[[Path], object]]] = [
    ("clips.csv", TABLE, lambda path: text_table(path, "made")),
    ("clips.jsonl", b'{"audio": "a.wav", "emotion": "sad"}\n', lambda path: lines_of_json(path, "made")),
    ("answers.csv", ANSWERS, lambda path: read_answers([path])),
    ("pairs.jsonl", PAIRS, lambda path: read_pairs(path.parent)),
    ("config.yaml", CONFIG, lambda path: load_config(path, kind=RecognitionConfig)),
    ("split.json", (WRITTEN / "splits" / "split.json").read_bytes(), Assignment.load),
    ("result.json", RESULTS[0].read_bytes(), load_result),
    ("neurons.safetensors", (NEURONS / "mad.safetensors").read_bytes(), NeuronSet.load),
    ("statistics.safetensors", (STATISTICS / "dense.safetensors").read_bytes(), GateStatistics.load),
]
"""The readers: what their file is called, a whole one to begin with, and how it is read."""


def one(data: bytes) -> None:
    """The first byte chooses the reader, the next two where the rest goes in a whole file, and what it replaces."""
    if len(data) < 4:
        return
    name, whole, read = READERS[data[0] % len(READERS)]
    at, gone = data[1] * len(whole) // 255, data[2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(whole[:at] + data[3:] + whole[at + gone :])
        with suppress(EsnError):
            read(path)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
