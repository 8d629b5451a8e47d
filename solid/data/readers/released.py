"""The layout of the released code: ``train.txt`` and ``test.txt`` with ``user;target;trigger_seq;click_seq;label``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import drop_broken, read_delimited
from solid.data.readers.lines import first_lines
from solid.data.readers.problems import BROKEN, Problems
from solid.errors import DataError

COLUMNS = ("user_id", "target", "trigger_seq", "click_seq", "label")
ROW = re.compile(r"[^;]+;\d+;\d+(,\d+)*;\d+(,\d+)*;[01](\.0)?")
LABEL = r"[01](\.0)?"


class Released(Reader):
    """Each user's events: the window of the first positive row, then the targets of ``train.txt`` and ``test.txt``.

    Where windows (``click_seq``, right-padded with 0) and targets do not tell the same, the rows count as broken. Of
    several such pairs of files the one in ``id/`` holds the items. The source is already k-core filtered.
    """

    name = "released"
    description = "train.txt and test.txt of the released code: user;target;trigger_seq;click_seq;label"
    timeless = True
    others = ("train.txt", "test.txt")  # of classes, in other folders

    def matches(self, folder: Path) -> bool:
        """There is a ``train.txt`` with such rows."""
        return bool(_trains(folder))

    def read(self, folder: Path) -> RawData:
        """Read both files and rebuild the sequences; rows that contradict them are counted as broken."""
        trains = _trains(folder)
        if len(trains) != 1:
            names = ", ".join(relative(path, folder) for path in trains) or "none"
            raise DataError(f"{folder}: expected one train.txt with rows {';'.join(COLUMNS)}, found {names}")
        test = trains[0].with_name("test.txt")
        if not test.is_file():
            raise DataError(f"{test}: no such file; the released layout has it beside train.txt")
        problems, rows = Problems(), []
        length = len(first_lines(trains[0], 1)[0].split(";")[3].split(","))
        for path in (trains[0], test):
            name = relative(path, folder)
            rows.append(_positives(path, name, length, problems).assign(file=name))
        events = _events(pd.concat(rows, ignore_index=True), length, problems)
        parts = {name: events[events["file"] == name] for name in events["file"].unique()}
        return assemble(folder, parts, {}, problems, timed=False, filtered=True)


def _trains(folder: Path) -> list[Path]:
    found = [path for path in find_files(folder, "train.txt") if ROW.fullmatch(next(iter(first_lines(path, 1)), ""))]
    return [path for path in found if path.parent.name == "id"] or found


def _positives(path: Path, name: str, length: int, problems: Problems) -> pd.DataFrame:
    """The rows with label 1 in file order: ``user_id``, ``target``, ``click_seq``, ``line``."""
    frame = read_delimited(path, name, ";", COLUMNS, problems)
    window = rf"\d{{1,18}}(,\d{{1,18}}){{{length - 1}}}"
    fits = (frame["user_id"] != "") & frame["label"].str.fullmatch(LABEL)
    fits &= frame["target"].str.fullmatch(r"0*[1-9]\d{0,17}") & frame["click_seq"].str.fullmatch(window)
    frame = drop_broken(frame, ~fits, name, problems, f"not user;target;windows of {length} ids;label")
    return frame.loc[frame["label"].str.startswith("1"), ["user_id", "target", "click_seq", "line"]]


def _events(rows: pd.DataFrame, length: int, problems: Problems) -> pd.DataFrame:
    """Chain the rows [R] of each user: ``user_id``, ``item_id``, ``file``, ``line``, user by user."""
    rows = rows.iloc[np.argsort(pd.factorize(rows["user_id"])[0], kind="stable")]
    user, target = rows["user_id"].to_numpy(), rows["target"].to_numpy(dtype=np.int64)
    windows = np.fromstring(",".join(rows["click_seq"]), dtype=np.int64, sep=",").reshape(-1, length)
    first = np.append(True, user[1:] != user[:-1])
    # what a row adds before its target: its whole window if it is the user's first, else nothing
    new = np.where(first, (windows != 0).sum(axis=1), 0)
    size = new + 1
    place = np.cumsum(size) - 1  # of each row's target in the chain
    chain = np.zeros(size.sum(), dtype=np.int64)
    chain[place] = target
    row = np.repeat(np.arange(len(rows)), new)
    back = new[row] - (np.arange(len(row)) - np.repeat(np.cumsum(new) - new, new))  # steps before the target
    chain[place[row] - back] = windows[row, new[row] - back]

    start = (place - new)[first][np.cumsum(first) - 1]
    column = np.arange(length)
    expected = np.minimum(place - start, length)
    told = chain[np.minimum((place - expected)[:, None] + column, len(chain) - 1)]
    wrong = (windows != np.where(column < expected[:, None], told, 0)).any(axis=1)
    for file, lines in rows[wrong].groupby("file", sort=False)["line"]:
        places = ((int(line), "click_seq contradicts the rows before") for line in lines)
        problems.add_all(BROKEN, str(file), len(lines), places)

    chained = rows.iloc[np.repeat(np.arange(len(rows)), size)]
    return chained[["user_id", "file", "line"]].assign(item_id=chain.astype(str))
