"""A toy reader: `user item time title`, with spaces between them and none inside."""

from pathlib import Path

from solid.data.readers.base import RawData, Reader, assemble, find_files, relative
from solid.data.readers.delimited import parse_events, read_delimited
from solid.data.readers.problems import Problems

COLUMNS = ("user_id", "item_id", "timestamp", "title")


class Toy(Reader):
    """Files that end in .toy."""

    name = "toy"
    description = "files *.toy: user, item, time and title, with spaces between them"

    def matches(self, folder: Path) -> bool:
        """There is one."""
        return bool(find_files(folder, "*.toy"))

    def read(self, folder: Path) -> RawData:
        """Read all of them."""
        problems, events, metadata = Problems(), {}, {}
        for path in find_files(folder, "*.toy"):
            name = relative(path, folder)
            frame = read_delimited(path, name, " ", COLUMNS, problems)
            events[name] = parse_events(frame, name, problems, timed=True)
            metadata[name] = frame.drop_duplicates("item_id")[["item_id", "line", "title"]].assign(text=frame["title"])
        return assemble(folder, events, metadata, problems, timed=True)
