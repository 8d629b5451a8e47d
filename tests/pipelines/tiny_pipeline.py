"""A pipeline of one step and parameters of several types. (kfp reads annotations, so they may not be texts here.)"""

from kfp import dsl


@dsl.container_component
def step(text: str, section: dict):
    return dsl.ContainerSpec(image="x", command=["echo"], args=[text, section])


@dsl.pipeline(name="tiny")
def tiny(text: str, section: dict = {}, share: float = 0.5, flag: bool = True, many: list = []):  # noqa: B006
    step(text=text, section=section)
