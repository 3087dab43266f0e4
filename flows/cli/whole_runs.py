"""The commands of whole runs: all steps in one, on a source or on drawn pictures, and their report again."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Dest, Format, NoServer, Overrides, Preset, Seed, Source, address_argument
from flows.cli.running import config_of, running

if TYPE_CHECKING:
    from mem_core.experiments.config import RunConfig
    from tasks.reporting import ReportPlace

app = typer.Typer()


@app.command()
def pipeline(
    source: Source,
    dest: Dest,
    format: Format = "auto",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """All of it: shard, then protect, verify, train and evaluate every row of the preset, then the report."""
    config = config_of(preset, set, seed)
    with running(no_server) as ui:
        from flows.pipeline import pipeline

        _print_pipeline(pipeline(source, dest, format, preset, tuple(set or ()), seed), dest, config, ui)


@app.command()
def demo(
    dest: Annotated[str, address_argument("Folder to write into.")] = "runs/demo",
    images: Annotated[int, typer.Option(help="Training images to draw.")] = 2400,
    test_images: Annotated[int, typer.Option(help="Test images to draw.")] = 400,
    validation_images: Annotated[int, typer.Option(help="Images to draw that choose a victim's best epoch.")] = 200,
    size: Annotated[int, typer.Option(help="Side of the drawn images, in pixels.")] = 64,
    preset: Preset = "demo",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Draws a captioned corpus and runs the whole pipeline on it."""
    config = config_of(preset, set, seed)
    with running(no_server) as ui:
        from tasks.sharding import draw_source

        source = draw_source.fn(f"{dest}/source", images, test_images, size, config.seed, validation_images)
        from flows.pipeline import pipeline

        place = pipeline(source, f"{dest}/run", "csv", preset, tuple(set or ()), seed)
        _print_pipeline(place, f"{dest}/run", config, ui)
    if not no_server:
        typer.echo("The server stays up for you to look at; `memshield server stop` ends it.")


@app.command()
def report(dest: Annotated[str, address_argument("A pipeline's destination.")], no_server: NoServer = False) -> None:
    """Writes DEST/report from the victims that a pipeline has left in DEST/rows."""
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.cli.printing import print_report
        from flows.report import report
        from tasks.result_pages import page_link

        place = report(dest)
    print_report(place.summary)
    typer.echo(f"report: {page_link(place.page)}")
    next_command("status", dest)


def _print_pipeline(place: "ReportPlace", dest: str, config: "RunConfig", ui: str) -> None:
    from flows.cli.endings import next_command
    from flows.cli.printing import print_report
    from tasks.result_pages import page_link, to_publish

    print_report(place.summary)
    typer.echo(f"report:     {page_link(place.page)}")
    for protected in to_publish(dest, config.table).values():
        typer.echo(f"protected:  {protected} (its .tar files are what to hand out)")
    next_command("status", dest)
    if ui:
        typer.echo(f"Prefect UI: {ui}")
