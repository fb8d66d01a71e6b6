"""A folder of picture files from a parquet table, as a user would have one: for measurements of training with few pictures.

    python tools/picture_folder.py ../shared/data/openmoji/train.parquet runs/data/openmoji-500 --num 500 [--seed 0] [--where source=noto]

Writes PNG files, 144 pixels wide where the table's are, drawn at random without repeats; of near-equal pictures (column `cluster`) one.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
from pyarrow import parquet

from gesso.datasets.picture_table import PICTURE_COLUMNS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--num", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--where", default="", help="COLUMN=VALUE: rows that have it")
    args = parser.parse_args()
    found = parquet.read_schema(args.table).names
    column = next(name for name in PICTURE_COLUMNS if name in found)
    wanted, _, value = args.where.partition("=")
    names = [column, *(name for name in ("cluster", "flag", wanted) if name in found)]
    table = parquet.read_table(args.table, columns=names).to_pydict()
    rows = [i for i in range(len(table[column])) if not table.get("flag", {i: False})[i] and (not wanted or table[wanted][i] == value)]
    chosen: dict[object, bytes] = {}
    for i in np.random.default_rng(args.seed).permutation(rows):
        chosen.setdefault(table["cluster"][i] if "cluster" in table else int(i), table[column][i])
    args.out.mkdir(parents=True, exist_ok=True)
    for data in list(chosen.values())[: args.num]:
        (args.out / f"{hashlib.sha256(data).hexdigest()[:16]}.png").write_bytes(data)
    print(f"{len(list(args.out.glob('*.png')))} pictures in {args.out}")


if __name__ == "__main__":
    main()
