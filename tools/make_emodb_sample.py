"""Make the bundled corpus emodb-sample: three speakers of EmoDB, as Ogg Opus.

python tools/make_emodb_sample.py --emodb FOLDER
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
from make_corpora import DATA, encode

import esn_interp as esn
from esn_interp.speech.corpora.emodb_sample import NAME, SPEAKERS
from esn_interp.speech.schema import ARROW, COLUMNS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--emodb", type=Path, required=True, help="the folder of the release")
    parser.add_argument("--out", type=Path, default=DATA)
    arguments = parser.parse_args()
    clips = esn.corpus("emodb", root=arguments.emodb).where(speaker=list(SPEAKERS))
    columns = {name: clips.column(name) for name in COLUMNS if name not in ("audio", "extras")}
    rows = [
        {
            **{name: values[at] for name, values in columns.items()},
            "audio": {"bytes": encode(clip.waveform()), "path": None},
            "extras": "{}",
        }
        for at, clip in enumerate(clips)
    ]
    path = arguments.out / f"{NAME}.parquet"
    table = pa.Table.from_pylist(rows, schema=ARROW)
    parquet.write_table(table, path, compression="zstd", use_dictionary=False)
    print(f"{path.name}: {len(rows)} clips, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
