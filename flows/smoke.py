"""A whole pipeline on a handful of drawn images: what CI and a new installation run first."""

from typing import Annotated

from flows.cli.presets import load_preset
from flows.parameters import Preset, said
from flows.pipeline import pipeline
from flows.recorded import recorded
from tasks.reporting import ReportPlace
from tasks.result_pages import show_pipeline
from tasks.sharding import draw_source
from tasks.storage import address_below


@recorded("ci-smoke", run_name="smoke into {dest}", told=lambda place: place.summary.verdict.headline)
def smoke(
    dest: Annotated[str, said("Folder to write into, on the machine of the worker.")],
    images: Annotated[int, said("Training images to draw.")] = 64,
    test_images: Annotated[int, said("Test images to draw.")] = 16,
    validation_images: Annotated[int, said("Images to draw that choose a victim's best epoch.")] = 8,
    preset: Preset = "smoke",
) -> ReportPlace:
    """Draws a corpus into DEST, a local folder, and runs the pipeline on it; a second run finds all of it done."""
    config = load_preset(preset)
    source = draw_source(address_below(dest, "source"), images, test_images, 32, config.seed, validation_images)
    place = pipeline(source, address_below(dest, "run"), format="csv", preset=preset)
    show_pipeline(address_below(dest, "run"), place.summary, config.table)
    return place
