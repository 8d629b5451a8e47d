"""A pipeline of two steps and parameters of several types. (kfp reads annotations, so they may not be texts here.)"""

from kfp import dsl


@dsl.container_component
def prepare(text: str, section: dict):
    return dsl.ContainerSpec(image="x", command=["echo"], args=[text, section])


@dsl.container_component
def train(share: float):
    return dsl.ContainerSpec(image="x", command=["echo"], args=[share])


@dsl.pipeline(name="tiny")
def tiny(text: str, section: dict = {}, share: float = 0.5, flag: bool = True, many: list = []):  # noqa: B006
    prepare(text=text, section=section)
    train(share=share).set_display_name("train SOLID text_image")
