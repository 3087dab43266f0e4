"""The one template environment of all pages: each extends `report/base.html.j2` and stands alone, nothing fetched."""

import base64
import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mem_core.common.formatting import counted
from mem_core.report.intervals import percent, with_interval
from mem_core.report.pictures import triple
from mem_core.report.tables import difference_cells, epochs_of, metric_cells, signed_cell
from mem_core.report.verdict import minus, rank


def filled_page(template: str, **values: object) -> bytes:
    """The HTML of a template, named by its place in this package (`report/report.html.j2`).

    Everything printed is escaped; a missing value is an error.
    """
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mem_core", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "data_uri": _data_uri,
        "difference_cells": difference_cells,
        "epochs_of": epochs_of,
        "fixed": _fixed,
        "metric_cells": metric_cells,
        "percent": percent,
        "rank": rank,
        "signed_cell": signed_cell,
        "triple": triple,
        "with_interval": with_interval,
    }
    return environment


def _data_uri(data: bytes) -> Markup:
    """A PNG as the address of an image in a page."""
    return Markup("data:image/png;base64," + base64.b64encode(data).decode())


def _fixed(value: Any, decimals: int) -> str:
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return minus(f"{value:,.{decimals}f}")
