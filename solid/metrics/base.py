"""What a metric is: a family (NDCG), and one number of it (NDCG@10 in full ranking) that a name stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from solid.metrics.exposure import Exposure
from solid.metrics.ties import Float, Floats, TieGroups


@dataclass(frozen=True)
class Ranking:
    """Among what the held-out item is ranked.

    Attributes:
        prefix: of the names of its metrics.
        title: before the titles of its metrics.
        about: one line for people; ``{k}`` is the cut-off.
    """

    prefix: str
    title: str
    about: str


CANDIDATES = Ranking("", "", "among the stored candidates")
FULL = Ranking("full_", "full ", "among all items that the user has not touched before")
UNMASKED = Ranking("unmasked_", "unmasked ", "among all items, those that the user touched before included")
LISTS = Ranking("", "", "among the first {k} of all items that a user has not touched before")


@dataclass(frozen=True)
class Family:
    """A metric, whatever it is taken among and wherever it is cut.

    Attributes:
        name: in settings, files and tags.
        title: in tables and plots.
        about: one line for people; ``{k}`` is the cut-off.
        cut: whether it looks at the first K alone.
        higher_is_better: or lower; None where neither is.
        rankings: where it is defined.
    """

    name: str
    title: str
    about: str
    cut: bool = False
    higher_is_better: bool | None = True
    rankings: tuple[Ranking, ...] = (CANDIDATES, FULL, UNMASKED)


@dataclass(frozen=True, kw_only=True)
class PerUser(Family):
    """A metric that every user has a value of; its number is the mean over the users who have one.

    Attributes:
        of: values [U] of tie groups and, where it is cut, K.
        column: of the values in files, where it is not the name.
    """

    of: Callable[..., Float]
    column: str = ""


@dataclass(frozen=True, kw_only=True)
class Pooled(Family):
    """A metric of the rows of all users together, which reads the scores themselves.

    Attributes:
        of: the number, of the scores of all positives and of all negatives, ascending.
    """

    of: Callable[[Floats, Floats], float]
    rankings: tuple[Ranking, ...] = (CANDIDATES,)


@dataclass(frozen=True, kw_only=True)
class OfLists(Family):
    """A metric of what is recommended, right or wrong.

    Attributes:
        of: the number, of what the first K show.
    """

    of: Callable[[Exposure], float]
    cut: bool = True
    rankings: tuple[Ranking, ...] = (LISTS,)


@dataclass(frozen=True)
class Metric:
    """One number of a model.

    Attributes:
        family: what is measured.
        ranking: among what.
        cutoff: K; None where the family is not cut.
    """

    family: Family
    ranking: Ranking
    cutoff: int | None = None

    @property
    def name(self) -> str:
        """As settings, files and tags have it, such as full_ndcg_10."""
        return self._named(self.family.name)

    @property
    def column(self) -> str | None:
        """The name of its per-user values; None where there are none."""
        return self._named(self.family.column or self.family.name) if isinstance(self.family, PerUser) else None

    @property
    def title(self) -> str:
        """As tables and plots have it, such as full NDCG@10."""
        cut = f"@{self.cutoff}" if self.cutoff else ""
        return f"{self.ranking.title}{self.family.title}{cut}"

    @property
    def about(self) -> str:
        """For people."""
        return f"{self.family.about}, {self.ranking.about}".format(k=self.cutoff)

    @property
    def higher_is_better(self) -> bool | None:
        """Or lower; None where neither is."""
        return self.family.higher_is_better

    def values(self, groups: TieGroups) -> Float:
        """Those of each user [U], of a metric that has some."""
        assert isinstance(self.family, PerUser)
        return self.family.of(groups, *([self.cutoff] if self.cutoff else []))

    def _named(self, name: str) -> str:
        return f"{self.ranking.prefix}{name}" + (f"_{self.cutoff}" if self.cutoff else "")
