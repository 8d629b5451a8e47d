"""What each head reads: the one place that knows, for whoever trains, records, plans or draws a head.

Free of torch, so that the command line, the pipelines and the plans of a comparison can ask without loading it.
"""

from __future__ import annotations

from dataclasses import dataclass

from solid.settings.schema import Ids, Settings


@dataclass(frozen=True)
class HeadKind:
    """A head as those see it who only wire it.

    Attributes:
        name: as ``--head`` takes it.
        about: one line for people.
        own_sections: sections of settings that it reads beside ``model`` and ``training``.
        on_generator: whether ``fusion.generator`` names another head whose sections it reads, too.
        ids: what its embeddings may be of.
    """

    name: str
    about: str
    own_sections: tuple[str, ...] = ()
    on_generator: bool = False
    ids: tuple[Ids, ...] = ("item", "semantic", "both")

    def sections(self, settings: Settings) -> tuple[str, ...]:
        """All sections that decide what training makes of it, ``model`` and ``training`` first."""
        of_generator = HEADS[settings.fusion.generator].own_sections if self.on_generator else ()
        return ("model", "training", *of_generator, *self.own_sections)

    def default_ids(self, settings: Settings) -> Ids:
        """What its embeddings are of where nobody says."""
        return settings.fusion.ids if self.on_generator else "item"

    def reads_classes(self, ids: Ids) -> bool:
        """Whether it needs the output of assign."""
        return self.on_generator or ids != "item"

    def starts_from_semantic_model(self, settings: Settings) -> bool:
        """Whether a model trained on classes is where it starts.

        Item weights alone, with a codebook that has no codes, take nothing from one.
        """
        fusion = settings.fusion
        return self.on_generator and not (fusion.branches == "item" and fusion.codebook in ("none", "vae"))


HEADS: dict[str, HeadKind] = {
    kind.name: kind
    for kind in (
        HeadKind("static", "one set of weights for everybody"),
        HeadKind("finetune", "static weights adapted to each user's history by gradient steps", ("finetune",)),
        HeadKind("duet", "weights generated from the history, every entry"),
        HeadKind("apg", "weights generated from the history, as the core of a low-rank product", ("apg",)),
        HeadKind(
            "solid",
            "a semantic branch and a bounded item branch of fusion.generator, with a codebook",
            ("fusion",),
            on_generator=True,
            ids=("item", "both"),
        ),
    )
}
