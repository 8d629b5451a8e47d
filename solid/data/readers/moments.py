"""Times as sources write them: numbers, dates and moments of many forms, as numbers in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

LARGEST = 2.0**63
UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_FIRST, _LAST = 315_532_800, 4_102_444_800  # 1980 and 2100, in seconds since 1970: what people did lies between
FEW = 0.01  # so small a share of times that are written or counted otherwise is broken, and no other way to write
_OF_A_KIND = 0.9  # when so large a share of numbers are times since 1970, all are meant to be

_CLOCK = (
    r"(?:[T ,]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?(?: ?(?P<p>[AaPp])\.?[Mm]\.?)?)?"
)
_ZONE = r"(?: ?(?P<z>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?P<y>\d{{4}})([-/.])(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}}){_CLOCK}{_ZONE}",
        rf"(?P<y>\d{{4}})-(?P<m>\d{{2}})-(?P<d>\d{{2}})[T ](?P<H>\d{{2}}){_ZONE}",  # Taobao's hours
        rf"(?P<y>\d{{4}})(?P<m>\d\d)(?P<d>\d\d)[T ](?P<H>\d\d):?(?P<M>\d\d):?(?P<S>\d\d)?{_ZONE}",
        rf"(?:[Pp]osted:? )?(?:[A-Za-z]{{3,9}},? )?(?P<b>[A-Za-z]{{3,9}})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})"
        rf"{_CLOCK}{_ZONE}\.?",
        rf"(?:[A-Za-z]{{3,9}},? )?(?P<d>\d{{1,2}})(?:\. ?|[ -])(?P<b>[A-Za-z]{{3,9}})\.?,?[ -](?P<y>\d{{4}})"
        rf"{_CLOCK}{_ZONE}",
        r"[A-Za-z]{3} (?P<b>[A-Za-z]{3}) +(?P<d>\d{1,2}) (?P<H>\d{2}):(?P<M>\d{2}):(?P<S>\d{2})"
        r"(?: (?P<z>UTC|GMT|[+-]\d{4}))? (?P<y>\d{4})",  # Twitter, Goodreads, Foursquare
        r"(?P<m>\d{1,2}) (?P<d>\d{1,2}), ?(?P<y>\d{4})",  # Amazon's reviewTime
        rf"(?P<d>\d{{1,2}})\.(?P<m>\d{{1,2}})\.(?P<y>\d{{4}}|\d{{2}}){_CLOCK}{_ZONE}",
    )
)
_SLASHES = re.compile(rf"(?P<a>\d{{1,2}})([/-])(?P<c>\d{{1,2}})\2(?P<y>\d{{4}}|\d{{2}}){_CLOCK}{_ZONE}")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_MONTHS = {
    name: n
    for n, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


@dataclass(frozen=True)
class Times:
    """A column of times.

    Attributes:
        values: int64 or float64, row by row: numbers as they stand, dates and moments as microseconds since 1970.
        known: which rows hold one; elsewhere ``values`` says nothing.
        fault: why they cannot be told in order, as "this, but that", "" where they can.
        places: two rows that show the fault.
    """

    values: NDArray[np.int64] | NDArray[np.float64]
    known: Bools
    fault: str = ""
    places: tuple[int, ...] = ()

    @property
    def since_1970(self) -> bool:
        """Whether nearly all are dates of our days, or such numbers."""
        return bool(self.known.any()) and unit(self.values[self.known]) != ""


def unit(values: NDArray[np.int64] | NDArray[np.float64]) -> str:
    """What nearly all numbers count since 1970, by their size; "" where they are no such times.

    Where two units are there it is the more frequent one.
    """
    shares = {name: float(within(values, name).mean()) for name in UNITS} if len(values) else {}
    return max(shares, key=lambda name: shares[name]) if sum(shares.values()) >= _OF_A_KIND else ""


def within(values: NDArray[np.int64] | NDArray[np.float64], name: str) -> Bools:
    """Which numbers of this unit lie between 1980 and 2100."""
    inside: Bools = (values >= _FIRST * UNITS[name]) & (values < _LAST * UNITS[name])
    return inside


def parse(column: pd.Series) -> Times:
    """Read a column of texts, numbers or moments."""
    if pd.api.types.is_datetime64_any_dtype(column):
        moments = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
        return Times(_microseconds(moments), column.notna().to_numpy())
    if pd.api.types.is_numeric_dtype(column):
        known = (column.abs() < LARGEST).to_numpy(bool, na_value=False)
        whole = pd.api.types.is_integer_dtype(column.dtype)
        exact = column.fillna(0).to_numpy(np.int64) if whole else column.to_numpy(np.float64, na_value=np.nan)
        return Times(exact, known)
    texts = column.astype("str").fillna("").str.strip()
    numbers = texts.str.fullmatch(_NUMBER).to_numpy(bool)
    values = _numbers(texts, numbers)
    if numbers.all():
        return values
    codes, found = pd.factorize(texts.mask(numbers, ""))
    dates, zones, fault, shown = _dates(pd.Series(found, dtype="str"), np.bincount(codes, minlength=len(found)))
    is_date, zoned = dates.notna().to_numpy()[codes], zones[codes]
    if shown:
        return Times(values.values, values.known, fault, tuple(int(np.flatnonzero(codes == code)[0]) for code in shown))
    if not is_date.any():
        return values
    forms = {
        "a number": values.known,
        "a date with a zone": is_date & zoned,
        "a date without a zone": is_date & ~zoned,
    }
    moments = _microseconds(dates)[codes]
    first, *others = sorted((name for name in forms if forms[name].any()), key=lambda name: -int(forms[name].sum()))
    if sum(int(forms[name].sum()) for name in others) > FEW * len(texts):
        rows = tuple(int(np.flatnonzero(forms[name])[0]) for name in (first, others[0]))
        return Times(moments, is_date, f"{{}} is {first}, but {{}} is {others[0]}", rows)
    return values if first == "a number" else Times(moments, forms[first])


def _numbers(texts: pd.Series[str], which: Bools) -> Times:
    """Whole numbers keep every digit."""
    values = pd.to_numeric(texts.where(which), errors="coerce").to_numpy(np.float64)
    known = np.abs(values) < LARGEST
    if not known.any():
        return Times(values, known)
    if texts[known].str.fullmatch(r"[+-]?\d{1,19}").all():
        exact = np.zeros(len(values), np.int64)
        exact[known] = texts[known].astype("int64").to_numpy()
        return Times(exact, known)
    return Times(values, known)


def _dates(texts: pd.Series[str], rows: NDArray[np.int64]) -> tuple[pd.Series, Bools, str, tuple[int, ...]]:
    """Moments in UTC, NaT where a text is none; whether each names its zone; a fault, and texts that show it, or "".

    The fault is that day and month may be either way round; ``rows`` have each of the texts.
    """
    moments = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[us, UTC]")
    zones = np.zeros(len(texts), dtype=bool)
    usual = texts.str.fullmatch(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?: ?(?:Z|UTC))?)?")
    if usual.any():  # the quick way for what most dates are
        stated = texts[usual].str.replace(r" ?(?:Z|UTC)$", "Z", regex=True)
        moments[usual] = pd.to_datetime(stated, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
        zones[usual.to_numpy(bool)] = stated.str.endswith("Z")
    for form in _FORMS:
        rest = texts[moments.isna() & (texts != "")]
        parts = _parts(rest, form)
        if len(parts):
            months = parts["m"] if "m" in parts else parts["b"].str[:3].str.lower().map(_MONTHS)
            moments[parts.index] = _moments(parts, months, parts["d"])
            zones[texts.index.get_indexer(parts.index)] = _zoned(parts)
    parts = _parts(texts[moments.isna() & (texts != "")], _SLASHES)
    if len(parts):
        first, second = parts["a"].astype(int), parts["c"].astype(int)
        day_first, month_first = first > 12, second > 12
        shown: tuple[int, ...]
        often = pd.Series(rows, index=texts.index)[parts.index]
        with_days, with_months = int(often[day_first].sum()), int(often[month_first].sum())
        if min(with_days, with_months) > FEW * often.sum():
            shown = (parts.index[day_first][0], parts.index[month_first][0])
            return moments, zones, "{} has the day first, but {} the month", shown
        if not day_first.any() and not month_first.any() and (first != second).any():
            shown = (parts.index[first != second][0],)
            return moments, zones, "{} may be day and month or month and day: no date of the column tells which", shown
        month, day = ("c", "a") if with_days > with_months else ("a", "c")
        moments[parts.index] = _moments(parts, parts[month], parts[day])
        zones[texts.index.get_indexer(parts.index)] = _zoned(parts)
    return moments, zones, "", ()


def _parts(texts: pd.Series[str], form: re.Pattern[str]) -> pd.DataFrame:
    """The named parts of the texts that have this form."""
    matched = [(index, match.groupdict()) for index, text in texts.items() if (match := form.fullmatch(text))]
    return pd.DataFrame([parts for _, parts in matched], index=[index for index, _ in matched])


def _moments(parts: pd.DataFrame, months: pd.Series, days: pd.Series) -> pd.Series:
    def number(name: str) -> pd.Series:
        return pd.to_numeric(parts[name]).fillna(0) if name in parts else pd.Series(0, index=parts.index)

    years = parts["y"].astype(int)
    years += np.where(parts["y"].str.len() == 2, np.where(years < 70, 2000, 1900), 0)
    hours = number("H")
    if "p" in parts:
        afternoon = parts["p"].str.lower()
        hours = hours.where(afternoon.isna(), hours % 12 + 12 * (afternoon == "p"))
    fraction = parts["f"].fillna("0").str.ljust(6, "0").str[:6].astype(int) if "f" in parts else number("f")
    date = pd.DataFrame({"year": years, "month": months, "day": days}).apply(pd.to_numeric)
    moments = pd.to_datetime(date, errors="coerce").dt.tz_localize("UTC")
    seconds = hours * 3600 + number("M") * 60 + number("S")
    if "z" in parts:
        offset = parts["z"].str.extract(r"([+-])(\d{2}):?(\d{2})?")
        minutes = pd.to_numeric(offset[1]).fillna(0) * 60 + pd.to_numeric(offset[2]).fillna(0)
        seconds -= minutes * 60 * np.where(offset[0] == "-", -1, 1)
    moments += pd.to_timedelta(seconds, unit="s") + pd.to_timedelta(fraction, unit="us")
    right = (hours < 24) & (number("M") < 60) & (number("S") <= 60)
    in_microseconds: pd.Series[Any] = moments.where(right).dt.as_unit("us")
    return in_microseconds


def _zoned(parts: pd.DataFrame) -> Bools:
    return parts["z"].notna().to_numpy() if "z" in parts else np.zeros(len(parts), dtype=bool)


def _microseconds(moments: pd.Series) -> NDArray[np.int64]:
    values: NDArray[np.int64] = moments.dt.as_unit("us").astype("int64").to_numpy()
    return values
