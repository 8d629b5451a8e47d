"""Small pipelines of shell commands, with which a runner can go wrong in every way that matters."""

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent


def pipelines(image: str) -> dict[str, GraphComponent]:
    """Pipelines by what happens in them."""

    @dsl.container_component
    def command(text: str, out: dsl.OutputPath(str)):
        return dsl.ContainerSpec(image=image, command=["sh", "-ec"], args=[text, "sh", out])

    @dsl.container_component
    def make(text: str, made: dsl.Output[dsl.Artifact]):
        return dsl.ContainerSpec(image=image, command=["sh", "-ec"], args=[text, "sh", made.path])

    @dsl.container_component
    def judge(score: float, reason: dsl.OutputPath(str), better: dsl.OutputPath(bool)):
        write = 'mkdir -p "$(dirname "$1")"; printf %s "score $0" >"$1"; printf true >"$2"'
        return dsl.ContainerSpec(image=image, command=["sh", "-ec"], args=[write, score, reason, better])

    @dsl.pipeline(name="promotion")
    def promotion(better: bool, text: str):
        with dsl.If(better == True, name="gate"):  # noqa: E712
            command(text=text).set_display_name("promoted")

    @dsl.pipeline(name="one")
    def one(text: str):
        command(text=text).set_retry(3, backoff_duration="600s")

    @dsl.pipeline(name="thing")
    def thing(text: str):
        make(text=text)

    @dsl.pipeline(name="loop")
    def loop(texts: list[str]):
        with dsl.ParallelFor(texts) as text:
            command(text=text)

    @dsl.pipeline(name="gate")
    def gate(better: bool, text: str):
        promotion(better=better, text=text)

    @dsl.pipeline(name="judged")
    def judged(score: float, text: str):
        promotion(better=judge(score=score).outputs["better"], text=text)

    @dsl.pipeline(name="closed")
    def closed(score: float, text: str):
        with dsl.If(judge(score=score).outputs["better"] == True):  # noqa: E712
            command(text=text)

    return {pipeline.name: pipeline for pipeline in (one, thing, loop, gate, judged, closed)}
