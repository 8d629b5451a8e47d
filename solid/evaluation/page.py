"""Pages of HTML, from templates that lie beside the code that fills them."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def page(name: str) -> Template:
    """The template at a path below the package; what it shows is escaped."""
    environment = Environment(
        loader=PackageLoader("solid", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
