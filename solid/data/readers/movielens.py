"""MovieLens: ``u.data`` (100K), ``ratings.dat`` (1M, 10M), ``ratings.csv`` (20M, 25M, 32M, latest)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import pandas as pd

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import describe, parse_events, read_delimited
from solid.data.readers.lines import first_lines
from solid.data.readers.problems import Problems

RATINGS = ("user_id", "item_id", "rating", "timestamp")
MOVIES = ("item_id", "title", "category")
GENRES = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
]  # fmt: skip
NO_GENRE = "(no genres listed)"


@dataclass(frozen=True)
class Layout:
    """One generation of the files."""

    ratings: str
    separator: str
    movies: str
    movies_separator: str
    movies_columns: tuple[str, ...]
    header: bool = False


LAYOUTS = (
    Layout("u.data", "\t", "u.item", "|", ("item_id", "title", "released", "video", "address", *GENRES)),
    Layout("ratings.dat", "::", "movies.dat", "::", MOVIES),
    Layout("ratings.csv", ",", "movies.csv", ",", MOVIES, header=True),
)


class MovieLens(Reader):
    """Ratings with unix time, titles with the year, genres; the category of a film is its first genre."""

    name = "movielens"
    description = "MovieLens u.data + u.item, ratings.dat + movies.dat or ratings.csv + movies.csv"

    others = (
        *("u.user", "u.genre", "u.occupation", "u.info", "u[1-5ab].base", "u[1-5ab].test", "users.dat", "tags.dat"),
        *("tags.csv", "links.csv", "genome-scores.csv", "genome-tags.csv", "movies.*", "u.item", "r[a-b1-5].*"),
    )

    def matches(self, folder: Path) -> bool:
        """A ratings file has four columns of numbers, or the header of MovieLens."""
        return bool(_layouts(folder))

    def read(self, folder: Path) -> RawData:
        """Read ratings and films."""
        problems = Problems()
        events, metadata = {}, {}
        for path, layout in _layouts(folder):
            name = relative(path, folder)
            frame = read_delimited(path, name, layout.separator, RATINGS, problems, header=layout.header)
            events[name] = parse_events(frame, name, problems, timed=True)
            movies = path.with_name(layout.movies)
            if movies.is_file():
                name = relative(movies, folder)
                metadata[name] = _movies(movies, name, layout, problems)
        return assemble(folder, events, metadata, problems, timed=True)


def _layouts(folder: Path) -> list[tuple[Path, Layout]]:
    return [(path, layout) for layout in LAYOUTS for path in find_files(folder, layout.ratings) if _fits(path, layout)]


def _fits(path: Path, layout: Layout) -> bool:
    line = next(iter(first_lines(path, 1)), "")
    return line == "userId,movieId,rating,timestamp" if layout.header else len(line.split(layout.separator)) == 4


def _movies(path: Path, name: str, layout: Layout, problems: Problems) -> pd.DataFrame:
    columns = layout.movies_columns
    # the older files are in Latin-1
    frame = read_delimited(
        path, name, layout.movies_separator, columns, problems, header=layout.header, encoding="latin-1"
    )
    if "category" not in columns:
        flags = frame[GENRES].to_numpy() == "1"
        frame["category"] = ["|".join(compress(GENRES, row)) for row in flags]
    frame["category"] = frame["category"].replace(NO_GENRE, "")
    return describe(frame, "|")
