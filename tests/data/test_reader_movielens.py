from __future__ import annotations

from pathlib import Path

import pytest
from reading import events, items, places, write

from solid.data.readers import find_reader
from solid.data.readers.problems import BARE, BROKEN

FLAGS = "0|0|0|1|0|1" + "|0" * 13  # Animation, Comedy
LAYOUTS: dict[str, dict[str, str | bytes]] = {
    "100k": {
        "u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n",
        "u.item": f"242|Café (1995)|01-Jan-1995||http://x|{FLAGS}\n302|None (1997)|||{'|0' * 19}\n".encode("latin-1"),
    },
    "1m": {
        "ml-1m/ratings.dat": "196::242::3::881250949\n186::302::3::891717742\n",
        "ml-1m/movies.dat": "242::Café (1995)::Animation|Comedy\n302::None (1997)::\n".encode("latin-1"),
    },
    "10m": {
        "ratings.dat": "196::242::3.5::881250949\n186::302::3::891717742\n",
        "movies.dat": "242::Café (1995)::Animation|Comedy\n302::None (1997)::(no genres listed)\n",
    },
    "latest": {
        "ratings.csv": "userId,movieId,rating,timestamp\r\n196,242,3.0,881250949\r\n186,302,3.0,891717742\r\n",
        "movies.csv": 'movieId,title,genres\r\n242,"Café (1995)",Animation|Comedy\r\n'
        "302,None (1997),(no genres listed)\r\n",
        "links.csv": "movieId,imdbId,tmdbId\r\n242,1,2\r\n",
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_generations_read_the_same(tmp_path: Path, layout: str) -> None:
    reader = find_reader(write(tmp_path, LAYOUTS[layout]))
    raw = reader.read(tmp_path)
    assert reader.name == "movielens"
    assert events(raw) == [("196", "242", 881250949), ("186", "302", 891717742)]
    assert items(raw) == [
        ("242", "Café (1995)", "Café (1995). Animation Comedy", "Animation", ""),
        ("302", "None (1997)", "None (1997)", "", ""),
    ]
    assert (raw.problems.lines, raw.problems.counts, raw.timed, raw.filtered) == (4, {}, True, False)


def test_a_title_may_hold_the_separator_of_the_csv(tmp_path: Path) -> None:
    movies = 'movieId,title,genres\n242,"American President, The (1995)",Drama\n'
    write(tmp_path, LAYOUTS["latest"] | {"movies.csv": movies})
    raw = find_reader(tmp_path).read(tmp_path)
    assert items(raw)[0][1:4] == ("American President, The (1995)", "American President, The (1995). Drama", "Drama")
    assert raw.problems.examples == {BARE: ["ratings.csv:3: 302"]}


def test_films_may_be_missing(tmp_path: Path) -> None:
    raw = find_reader(write(tmp_path, {"u.data": LAYOUTS["100k"]["u.data"]})).read(tmp_path)
    assert [item[:2] for item in items(raw)] == [("242", ""), ("302", "")]
    assert raw.problems.counts == {}


def test_broken_lines_are_counted(tmp_path: Path) -> None:
    write(tmp_path, {"ratings.dat": "1::2::3::4\n1::2::3\n1:2:3:4\n1::2::3::x\n5::6::7::8\n"})
    raw = find_reader(tmp_path).read(tmp_path)
    assert places(raw) == ["ratings.dat:1", "ratings.dat:5"]
    assert raw.problems.counts == {BROKEN: 3}
