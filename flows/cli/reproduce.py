"""The command of the study: every table and figure of the paper, with controls, at the scale of the machine."""

from typing import Annotated

import typer

from flows.cli.options import Dest, NoServer, address_option
from flows.cli.running import running

app = typer.Typer()


@app.command()
def reproduce(
    dest: Dest,
    scale: Annotated[str, typer.Option(help="smoke, cpu, flickr8k, paper, or a YAML file of your own.")] = "cpu",
    only: Annotated[list[str] | None, typer.Option(help="Experiments by name, as table1,controls; else all.")] = None,
    data: Annotated[str | None, address_option("Folder that holds flickr8k/, flickr30k/, coco/, ...")] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="Stop after this many; what is done is kept.")] = None,
    device: Annotated[str | None, typer.Option(help="In place of the scale's: cpu, cuda, ...")] = None,
    no_server: NoServer = False,
) -> None:
    """Measures the paper's tables and figures with their controls, rows first, seeds after, and writes DEST/report.

    A folder in use is resumed.
    """
    from mem_core.experiments.reproduce import load_scale

    chosen = load_scale(scale, {"runtime": {"device": device}} if device else {})
    names = tuple(name.strip() for some in only or () for name in some.split(",") if name.strip())
    with running(no_server):
        from flows.reproduce import reproduce
        from tasks.result_pages import page_link

        report = reproduce(dest, chosen, data, names, minutes)
    typer.echo(f"{report.done} of {report.total} cells measured: {page_link(f'{dest}/report/{report.page}')}")
    if report.done < report.total:
        typer.echo("next: the same command again goes on with what is missing")
