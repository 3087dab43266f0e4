"""The steps of a run as commands, and all of them in one."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import typer.core

from flows.cli.options import (
    AsJson,
    Clean,
    Dest,
    Format,
    NoServer,
    Overrides,
    Preset,
    Protected,
    Protector,
    Seed,
    Source,
    TwinsKey,
    address_argument,
    address_option,
)
from flows.cli.quiet import is_quiet
from flows.cli.running import config_of, running

if TYPE_CHECKING:
    from mem_core.experiments.config import RunConfig
    from tasks.reporting import ReportPlace

app = typer.Typer()


@app.command()
def shard(
    source: Source,
    dest: Annotated[str | None, address_argument("Folder to write into, or s3://bucket/prefix.")] = None,
    format: Format = "auto",
    caption_key: Annotated[str, typer.Option(help="The captions' column or key, where it has no usual name.")] = "",
    image_key: Annotated[str, typer.Option(help="That of the images or their paths, likewise.")] = "",
    encoding: Annotated[str, typer.Option(help="Of text files, as latin-1; UTF-8 if not given.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be read, and why; decode and write nothing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="With --dry-run: count so many images at most.")] = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Turns any source into a clean corpus: DEST/train, DEST/test, ..."""
    chosen = {"caption_key": caption_key, "image_key": image_key, "encoding": encoding}
    settings = (*(set or ()), *(f"corpus.{name}={value}" for name, value in chosen.items() if value))
    config = config_of(preset, settings, seed)
    if dry_run:
        from tasks.sharding import look_at

        for line in look_at(source, config.corpus, format, config.seed, limit).lines():
            typer.echo(line)
        return
    if dest is None:
        raise typer.BadParameter("expected a folder to write into, or --dry-run to write nothing", param_hint="DEST")
    if limit is not None:
        raise typer.BadParameter(
            "expected --limit with --dry-run; -s corpus.limit=... shards less", param_hint="--limit"
        )
    with running(no_server):
        from flows.cli.endings import print_sharded
        from flows.shard import shard

        found = shard(source, dest, format, preset, settings, seed)
    print_sharded(found, preset)


class _ShareMayBeLeftOut(typer.core.TyperCommand):
    """`--twins` alone means all samples: Typer has no options that take a value or none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, given in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else ""
            if given == "--twins" and not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", following):
                args = [*args[:place], "--twins=1", *args[place + 1 :]]
        return super().parse_args(ctx, args)


@app.command(cls=_ShareMayBeLeftOut)
def protect(
    clean: Clean,
    dest: Annotated[str, address_argument("Folder to write into, or s3://bucket/prefix.", "PROTECTED")],
    method: Annotated[str | None, typer.Option(help="As mem; a name that does not exist lists all that do.")] = None,
    strategy: Annotated[str | None, typer.Option(help="rounds, or replay of a stored protector.")] = None,
    protector: Protector = None,
    reuse: Annotated[str | None, address_option("For a control that is a part of mem: mem's corpus.")] = None,
    on_error: Annotated[str | None, typer.Option(help="skip, or passthrough (publishes UNPROTECTED).")] = None,
    on_mismatch: Annotated[
        Literal["fail", "redo"], typer.Option(help="What becomes of finished shards of other input or settings.")
    ] = "fail",
    twins: Annotated[
        float | None,
        typer.Option(
            metavar="[SHARE]",
            min=0,
            max=1,
            help="Keep another version of each sample, or of a share, in PROTECTED/twins: proof that a model saw it.",
        ),
    ] = None,
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Protects a clean corpus, shard by shard; what is done already is not done again."""
    if twins == 0:
        raise typer.BadParameter("expected a share above 0, or no --twins at all", param_hint="--twins")
    if twins_key and twins is None:
        raise typer.BadParameter("expected --twins with it", param_hint="--twins-key")
    strategy = strategy or ("replay" if protector else None)
    chosen = {"method": method, "strategy": strategy, "on_error": on_error}
    settings = (*(set or ()), *(f"protect.{name}={value}" for name, value in chosen.items() if value is not None))
    config_of(preset, settings, seed)  # a mistake is said before anything is started
    with running(no_server):
        from flows.cli.endings import print_protected
        from flows.protect import protect
        from tasks.order import require_clean_first

        require_clean_first(clean, dest)
        done = protect(
            clean,
            dest,
            preset,
            settings,
            seed,
            protector=protector,
            reuse=reuse,
            on_mismatch=on_mismatch,
            twins=twins,
            twins_key=twins_key,
        )
    print_protected(done, clean)


@app.command()
def train(
    corpus: Annotated[str, address_argument("Shards to train on, clean or protected.")],
    out: Dest,
    test: Annotated[str | None, address_option("Clean shards to watch the median ranks on.")] = None,
    validation: Annotated[
        str | None, address_option("Other clean shards, by which the best epoch is chosen and kept.")
    ] = None,
    clean: Annotated[str | None, address_option("The originals, for countermeasures that mix them in.")] = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Trains a victim as an unauthorised trainer would; a killed training goes on after its last epoch.

    With --validation the weights of the best epoch are kept beside those of the last, and `evaluate` measures both.
    """
    config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.endings import print_trained
        from flows.train import train

        record = train(corpus, out, test, validation, clean, preset, tuple(set or ()), seed)
    print_trained(record, out, test, preset)


@app.command()
def evaluate(
    victim: Annotated[str, address_argument("What `train` wrote.")],
    test: Annotated[str, address_argument("Clean test shards.")],
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Measures what a victim retrieves on clean test pairs at its last and best epoch, bare and prefixed."""
    config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.cli.printing import print_evaluation, print_json
        from flows.evaluate import evaluate
        from tasks.as_json import evaluate_values
        from tasks.order import require_victim_first

        require_victim_first(victim, test)
        found = evaluate(victim, test, preset, tuple(set or ()))
    if as_json:
        print_json(evaluate_values(victim, found))
    else:
        print_evaluation(found)
        next_command("certify", "PROTECTED", "--victim", victim, "--control", "CLEAN_VICTIM")


@app.command()
def verify(
    clean: Annotated[str, address_argument("Folder of clean shards; with --published-only the folder to hand out.")],
    protected: Annotated[str | None, address_argument("Folder of protected shards, or s3://bucket/prefix.")] = None,
    published_only: Annotated[
        bool, typer.Option("--published-only", help="Check one folder that is about to be handed out.")
    ] = False,
    against: Annotated[
        str | None, address_option("With --published-only: the protected corpus whose tars were taken.")
    ] = None,
    twins_key: TwinsKey = None,
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Re-reads everything and proves that PROTECTED is CLEAN within the budget; exit code 1 if anything is wrong.

    With --published-only, that one folder holds nothing but protected tars, and that nothing in them leads back.
    """
    if published_only == (protected is not None) or (against and not published_only):
        raise typer.BadParameter("expected CLEAN and PROTECTED, or FOLDER --published-only and maybe --against")
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.cli.printing import print_handing_out, print_json, print_problems
        from flows.verify import verify, verify_published
        from tasks.as_json import verify_values
        from tasks.order import require_clean_first

        if protected is not None:
            require_clean_first(clean, protected)
            found = verify(clean, protected, twins_key=twins_key)
        else:
            found = verify_published(clean, against)
    if as_json:
        print_json(verify_values(found))
    else:
        print_problems(found)
        if published_only:
            print_handing_out(clean, found)
        elif found.ok and protected is not None:
            next_command("preview", clean, protected)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def index(
    protected: Protected,
    license: Annotated[str, typer.Option(help="For the page: the hub's name of a licence, as cc-by-4.0.")] = "unknown",
    license_link: Annotated[str, typer.Option(help="Where the licence stands, if the hub has no name for it.")] = "",
) -> None:
    """Writes beside the tars what other loaders ask for: wids.json, .nv-meta for Megatron-Energon, a dataset card."""
    from flows.cli.endings import next_command
    from flows.cli.printing import print_index
    from tasks.indexing import index_corpus
    from tasks.terminal import shown_on_terminal

    with shown_on_terminal(quiet=is_quiet()):
        found = index_corpus(protected, license, license_link)
    print_index(found)
    next_command("verify", "COPY", "--published-only", "--against", protected)


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


@app.command()
def status(
    dest: Annotated[str, address_argument("A corpus or a pipeline's destination.")],
    clean: Annotated[str | None, address_option("The clean corpus, to count what is still to come.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 if shards failed, or wait for longer than --max-age.")
    ] = False,
    max_age: Annotated[
        str,
        typer.Option(metavar="TIME", help="With --check: as 90m or 2d; counted from when a clean tar was written."),
    ] = "26h",
    as_json: AsJson = False,
) -> None:
    """Shows what is done, pending and failed, by reason, from storage alone."""
    from flows.cli.printing import print_json
    from flows.cli.status_table import print_status
    from mem_core.common.formatting import read_duration
    from tasks.as_json import status_values
    from tasks.status import read_status

    found = read_status(dest, clean, ages=as_json, max_age=read_duration(max_age) if check else None)
    if as_json:
        print_json(status_values(found))
    else:
        print_status(found)
    if found.problems:
        raise typer.Exit(1)


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


def _print_pipeline(place: "ReportPlace", dest: str, config: "RunConfig", ui: str) -> None:
    from flows.cli.endings import next_command
    from flows.cli.printing import print_report
    from mem_core.config.methods import METHODS
    from tasks.result_pages import page_link

    print_report(place.summary)
    typer.echo(f"report:     {page_link(place.page)}")
    for row in config.table:
        if METHODS[row.method].kind == "method":
            typer.echo(f"protected:  {dest}/rows/{row.name}/protected (its .tar files are what to hand out)")
    next_command("status", dest)
    if ui:
        typer.echo(f"Prefect UI: {ui}")
