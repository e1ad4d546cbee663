"""Renders templates. Without FastAPI: the analyst's process draws the answer of What if, and need not import that."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.dashboard import formats
from gateway.dashboard.assets import read_assets


def html_of(template: str, page: object, root: str, frame: object = None) -> str:
    """A template with its view-model, the path that the dashboard is below, and the frame around the page."""
    assets = f"{root}/assets/{read_assets().digest}"
    return _environment().get_template(template).render(frame=frame, page=page, root=root, assets=assets)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=formats.closed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        formats.usd,
        formats.usd_column,
        formats.both_seconds,
        formats.count,
        formats.percent,
        formats.seconds,
        formats.span,
        formats.moment,
        formats.day,
        formats.shown_json,
        formats.short,
    )
    environment.filters |= {each.__name__: each for each in filters}
    return environment
