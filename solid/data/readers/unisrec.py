"""UniSRec and MISSRec: ``.inter`` files with item lists, texts, index maps and precomputed vectors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from solid.data.readers.base import RawData, Reader, Vectors, assemble, find_files, relative
from solid.data.readers.delimited import drop_broken, header_of, read_delimited
from solid.data.readers.problems import BROKEN, Problems
from solid.errors import DataError

SEQUENCES, WHOLE = ".test.inter", ".inter.json"
ROW = ["user_id", "item_id_list", "item_id"]
ITEM_MAPS, USER_MAPS = (".item2index", ".item2id"), (".user2index", ".user2id")
ID = re.compile(r"[^\ud800-\udfff]+")  # half a surrogate pair, which JSON allows, is no text
VECTORS = {"text": ".feat1CLS", "image": ".feat3CLS"}
CODES = {"text": ".index_lemb.json", "image": ".index_vitemb.json"}


class UniSRec(Reader):
    """A user's sequence is the history of the test row and its target.

    Those histories are cut to 50 items; ``X.inter.json`` with ``{user: [item, ...]}`` is read instead where it exists.
    Ids are the original ones (ASINs) where the index maps are there. The source is already k-core filtered.
    """

    name = "unisrec"
    description = (
        "UniSRec/MISSRec: .test.inter with item lists or .inter.json, .text, .feat1CLS, .feat3CLS, .item2index"
    )
    timeless = True
    others = (
        *("*.train.inter", "*.valid.inter", "*.test.inter", "*.text", "*.feat1CLS", "*.feat3CLS", "*.feat2CLS"),
        *("*.index_lemb.json", "*.index_vitemb.json", "*.index.json", "*.item.json", "*.item2index", "*.item2id"),
        *("*.user2index", "*.user2id", "*.item", "*.user"),
    )

    def matches(self, folder: Path) -> bool:
        """There is an ``.inter.json``, or a ``.test.inter`` with a list of items."""
        return bool(_sources(folder))

    def read(self, folder: Path) -> RawData:
        """Read the sequences and the texts beside them."""
        problems, source = Problems(), _source(folder)
        stem, name = _stem(source), relative(source, folder)
        if source.name.endswith(WHOLE):
            events = _whole_sequences(source, name, problems)
        else:
            events = _test_rows(source, name, problems)
        for column, kinds in (("item_id", ITEM_MAPS), ("user_id", USER_MAPS)):
            if path := _beside(stem, *kinds):
                ids = _index_map(path, relative(path, folder), problems)
                events[column] = _original(events[column], ids, path)
        metadata = {}
        if text := _beside(stem, ".text"):
            frame = read_delimited(text, relative(text, folder), "\t", ["item_id", "text"], problems, header=True)
            # the text begins with the title
            metadata[relative(text, folder)] = frame.assign(title=frame["text"].str.split(". ", regex=False).str[0])
        return assemble(folder, {name: events}, metadata, problems, timed=False, filtered=True)

    def vectors(self, folder: Path) -> dict[str, Vectors]:
        """The vectors in ``.feat1CLS`` (text) and ``.feat3CLS`` (image): raw float32, row i of item index i.

        Where a source has only codes of its embeddings, in ``.index_lemb.json`` (text) and ``.index_vitemb.json``
        (image), the vector is made from these: see :func:`_of_codes`.
        """
        stem = _stem(_source(folder))
        found = {modality: path for modality, ending in VECTORS.items() if (path := _beside(stem, ending))}
        coded = {
            modality: path
            for modality, ending in CODES.items()
            if modality not in found and (path := _beside(stem, ending))
        }
        if not found and not coded:
            return {}
        index = _beside(stem, *ITEM_MAPS)
        if index is None:
            raise DataError(f"{stem}.item2index: no such file; without it the vectors belong to no items")
        ids = _index_map(index, relative(index, folder), Problems())
        if sorted(ids) != sorted(map(str, range(len(ids)))):
            raise DataError(f"{index}: the indices are not 0 to {len(ids) - 1}; the rows of the vectors need each once")
        item_ids = [ids[str(row)] for row in range(len(ids))]
        vectors = {modality: Vectors(item_ids, _matrix(path, len(ids))) for modality, path in found.items()}
        return vectors | {modality: Vectors(item_ids, _of_codes(path, len(ids))) for modality, path in coded.items()}


def _sources(folder: Path) -> list[Path]:
    whole = find_files(folder, "*" + WHOLE)
    return whole or [path for path in find_files(folder, "*" + SEQUENCES) if "item_id_list" in _fields(path)]


def _source(folder: Path) -> Path:
    sources = _sources(folder)
    if len(sources) != 1:
        names = ", ".join(relative(path, folder) for path in sources) or "none"
        raise DataError(f"{folder}: expected one data set ({WHOLE} or {SEQUENCES} file), found {names}; keep one")
    return sources[0]


def _fields(path: Path) -> list[str]:
    return [field.partition(":")[0] for field in header_of(path, "\t")]


def _stem(source: Path) -> Path:
    """The path that all files of the data set begin with, such as ``folder/Scientific``."""
    return source.with_name(source.name.removesuffix(WHOLE).removesuffix(SEQUENCES))


def _beside(stem: Path, *endings: str) -> Path | None:
    paths = (stem.with_name(stem.name + ending) for ending in endings)
    return next((path for path in paths if path.is_file()), None)


def _test_rows(path: Path, name: str, problems: Problems) -> pd.DataFrame:
    if _fields(path) != ROW:
        raise DataError(f"{path}:1: expected the typed header {' '.join(ROW)}")
    rows = read_delimited(path, name, "\t", ROW, problems, header=True)
    rows = drop_broken(rows, (rows["user_id"] == "") | (rows["item_id"] == ""), name, problems, "no user or target")
    rows = drop_broken(rows, rows["user_id"].duplicated(), name, problems, "second row of a user")
    items = (rows["item_id_list"] + " " + rows["item_id"]).str.split()
    events = rows[["user_id", "line"]].assign(item_id=items).explode("item_id", ignore_index=True)
    return events.astype({"item_id": "str"})


def _whole_sequences(path: Path, name: str, problems: Problems) -> pd.DataFrame:
    try:
        sequences = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}); fetch it again") from None
    if not isinstance(sequences, dict):
        raise DataError(f"{path}: expected an object of users and their item lists")
    problems.read[name] += len(sequences)
    good = {
        user: items
        for user, items in sequences.items()
        if _is_id(user) and isinstance(items, list) and items and all(map(_is_id, items))
    }
    for user in (user for user in sequences if user not in good):
        problems.add(BROKEN, name, 0, f"user {user} has no list of items")
    users = np.repeat(np.array(list(good), dtype=object), [len(items) for items in good.values()])
    items = [str(item) for sequence in good.values() for item in sequence]
    return pd.DataFrame({"user_id": pd.array(users, dtype="str"), "item_id": pd.array(items, dtype="str"), "line": 0})


def _is_id(item: object) -> bool:
    return type(item) is int or (isinstance(item, str) and bool(ID.fullmatch(item)))


def _index_map(path: Path, name: str, problems: Problems) -> dict[str, str]:
    """Index -> original id."""
    frame = read_delimited(path, name, "\t", ["id", "index"], problems)
    return dict(zip(frame["index"], frame["id"], strict=True))


def _original(indices: pd.Series[str], ids: dict[str, str], path: Path) -> pd.Series[str]:
    original = indices.map(ids)
    if original.isna().any():
        raise DataError(f"{path}: has no index {indices[original.isna()].iloc[0]}; these files do not belong together")
    return original


def _matrix(path: Path, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    values = np.fromfile(path, dtype="<f4")
    if not values.size or values.size % rows or not np.isfinite(values).all():
        raise DataError(f"{path}: not {rows} rows of finite float32 values; fetch it again")
    return values.astype(np.float32, copy=False).reshape(rows, -1)


def _of_codes(path: Path, rows: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Vectors of items given as residual codes ``{index: [code, ...]}``, coarsest level first.

    An item has a 1 for its first code, 1/2 for its second, 1/4 for its third and so on, so that items are the nearer to
    each other the more levels they share and the coarser these are.
    """
    try:
        codes = json.loads(path.read_bytes())
        lists = [codes[str(row)] for row in range(rows)]
        [levels] = {len(given) for given in lists}  # all of one length
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{path}: not an object of the codes of items 0 to {rows - 1} ({error}); fetch it again"
        ) from None
    if len(codes) != rows:
        raise DataError(f"{path}: holds codes of {len(codes)} items, but there are {rows}; fetch it again")
    table = pd.DataFrame(lists)
    return np.hstack([pd.get_dummies(table[n]).to_numpy(np.float32) / np.float32(1 << n) for n in range(levels)])
