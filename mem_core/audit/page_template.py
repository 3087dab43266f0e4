"""How the pages of this package are filled in: everything printed is escaped, and a missing value is an error."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from mem_core.common.formatting import counted
from mem_core.report.page import data_uri


def filled_page(package: str, template: str, **values: object) -> bytes:
    """The HTML of a template that lies in a package, with these values."""
    environment = Environment(
        loader=PackageLoader(package, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"counted": counted, "data_uri": data_uri}
    return environment.get_template(template).render(**values).encode()
