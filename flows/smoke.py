"""A whole pipeline on a handful of drawn images: what CI and a new installation run first."""

from prefect import flow

from flows.cli.presets import load_preset
from flows.pipeline import pipeline
from tasks.reporting import ReportPlace
from tasks.sharding import draw_source
from tasks.storage import address_below


@flow(name="ci-smoke", flow_run_name="smoke into {dest}")
def smoke(
    dest: str, images: int = 64, test_images: int = 16, preset: str = "smoke", validation_images: int = 8
) -> ReportPlace:
    """Draws a corpus into DEST, a local folder, and runs the pipeline on it; a second run finds all of it done."""
    config = load_preset(preset)
    source = draw_source(address_below(dest, "source"), images, test_images, 32, config.seed, validation_images)
    return pipeline(source, address_below(dest, "run"), config, "csv")
