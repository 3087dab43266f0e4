"""`memshield`: the flows as commands. Nothing heavy is imported before a command runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import bench, estimate, language, operations, reproduce, stress, trust
from flows.cli.running import absolute, config_of, running
from mem_core.common.errors import MadeOtherwise, MemshieldError

if TYPE_CHECKING:
    from mem_core.experiments.config import RunConfig

_INTERRUPTED = "memshield: interrupted; run the same command again to go on"


class _Sentences(typer.core.TyperGroup):
    """Errors that a user can cause end as one sentence, not as a stack of calls."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MemshieldError as error:
            typer.echo(f"memshield: {error}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:  # here, as typer would end without a word
            typer.echo(_INTERRUPTED, err=True)
            raise typer.Exit(130) from error
        except OSError as error:
            if error.filename is None:  # not about a place that the user named
                raise
            typer.echo(f"memshield: {error.filename} cannot be used: {error.strerror}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Sentences,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Protects image-caption corpora before they are published, and measures what protection is worth.",
)
server_app = typer.Typer(no_args_is_help=True, help="The Prefect server that keeps the records of all runs.")
presets_app = typer.Typer(invoke_without_command=True)
app.add_typer(server_app, name="server")
app.add_typer(presets_app, name="presets")
for group in (operations, bench, estimate, trust, language, stress, reproduce):
    app.add_typer(group.app)

Preset = Annotated[str, typer.Option("--preset", "-p", help="A preset's name, or a YAML file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, as protect.noise.epsilon=4/255."),
]
Seed = Annotated[int | None, typer.Option(help="Replaces the preset's seed.")]
NoServer = Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")]
Format = Annotated[str, typer.Option(help="How the source is laid out; `auto` finds out.")]
Clean = Annotated[str, typer.Argument(help="Folder of clean shards, or s3://bucket/prefix.")]
Dest = Annotated[str, typer.Argument(help="Folder to write into, or s3://bucket/prefix.")]


@app.command()
def shard(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder or caption file of a corpus; captions.csv: columns image, caption and maybe split."
        ),
    ],
    dest: Dest,
    format: Format = "auto",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Turns any source into a clean corpus: DEST/train, DEST/test, ..."""
    config = config_of(preset, set, seed)
    with running(no_server):
        from flows.shard import shard

        shard(absolute(source), absolute(dest), config.corpus, format, config.seed)


@app.command()
def protect(
    clean: Clean,
    dest: Dest,
    method: Annotated[str | None, typer.Option(help="As mem; a name that does not exist lists all that do.")] = None,
    strategy: Annotated[str | None, typer.Option(help="rounds, or replay of a stored protector.")] = None,
    protector: Annotated[str | None, typer.Option(help="Folder of a finished protector; implies replay.")] = None,
    reuse: Annotated[str | None, typer.Option(help="For a control that is a part of mem: mem's corpus.")] = None,
    on_error: Annotated[str | None, typer.Option(help="skip, or passthrough (publishes UNPROTECTED).")] = None,
    on_mismatch: Annotated[
        str, typer.Option(help="Finished shards of other input or settings: fail, or redo.")
    ] = "fail",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Protects a clean corpus, shard by shard; what is done already is not done again."""
    if on_mismatch not in ("fail", "redo"):
        raise typer.BadParameter(f"expected fail or redo, got {on_mismatch}", param_hint="--on-mismatch")
    strategy = strategy or ("replay" if protector else None)
    chosen = {"method": method, "strategy": strategy, "on_error": on_error}
    named = [f"protect.{name}={value}" for name, value in chosen.items() if value is not None]
    config = config_of(preset, [*(set or []), *named], seed)
    with running(no_server), _remedies():
        from flows.protect import protect

        protect(
            absolute(clean),
            absolute(dest),
            config.protect,
            config.runtime,
            config.seed,
            protector=absolute(protector) if protector else None,
            reuse=absolute(reuse) if reuse else None,
            on_mismatch="redo" if on_mismatch == "redo" else "fail",
        )


@app.command()
def train(
    corpus: Annotated[str, typer.Argument(help="Shards to train on, clean or protected.")],
    out: Dest,
    test: Annotated[str | None, typer.Option(help="Clean shards to watch the median ranks on.")] = None,
    clean: Annotated[str | None, typer.Option(help="The originals, for countermeasures that mix them in.")] = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Trains a victim as an unauthorised trainer would; a killed training goes on after its last epoch."""
    config = config_of(preset, set, seed)
    with running(no_server):
        from flows.train import train

        train(
            absolute(corpus),
            absolute(out),
            config.victim,
            config.runtime,
            config.seed,
            test=absolute(test) if test else None,
            evaluate=config.evaluate,
            label=Path(corpus).name,
            clean=absolute(clean) if clean else None,
        )


@app.command()
def evaluate(
    victim: Annotated[str, typer.Argument(help="What `train` wrote.")],
    test: Annotated[str, typer.Argument(help="Clean test shards.")],
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Measures what a victim retrieves on clean test pairs, bare and prefixed, beside chance."""
    config = config_of(preset, set, seed)
    with running(no_server):
        from flows.cli.printing import print_evaluation
        from flows.evaluate import evaluate

        found = evaluate(absolute(victim), absolute(test), config.evaluate, config.runtime, Path(victim).name)
    print_evaluation(found)


@app.command()
def verify(
    clean: Clean,
    protected: Annotated[str, typer.Argument(help="Folder of protected shards, or s3://bucket/prefix.")],
    no_server: NoServer = False,
) -> None:
    """Re-reads everything and proves that PROTECTED is CLEAN within the budget; exit code 1 if anything is wrong."""
    with running(no_server):
        from flows.cli.printing import print_problems
        from flows.verify import verify

        found = verify(absolute(clean), absolute(protected))
    print_problems(found)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def report(dest: Annotated[str, typer.Argument(help="A pipeline's destination.")], no_server: NoServer = False) -> None:
    """Writes DEST/report from the victims that a pipeline has left in DEST/rows."""
    with running(no_server):
        from flows.cli.printing import print_report
        from flows.report import report

        place = report(absolute(dest))
    print_report(place.summary)
    typer.echo(f"report: {_link(place.page)}")


@app.command()
def status(
    dest: Annotated[str, typer.Argument(help="A corpus or a pipeline's destination.")],
    clean: Annotated[str | None, typer.Option(help="The clean corpus, to count what is still to come.")] = None,
) -> None:
    """Shows what is done, pending and failed, by reason, from storage alone."""
    from flows.cli.printing import print_status
    from tasks.status import read_status

    print_status(read_status(absolute(dest), absolute(clean) if clean else None))


@app.command()
def pipeline(
    source: Annotated[str, typer.Argument(help="Folder or caption file of a corpus.")],
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
        _run_pipeline(absolute(source), absolute(dest), config, format, ui)


@app.command()
def demo(
    dest: Annotated[str, typer.Argument(help="Folder to write into.")] = "runs/demo",
    images: Annotated[int, typer.Option(help="Training images to draw.")] = 2400,
    test_images: Annotated[int, typer.Option(help="Test images to draw.")] = 400,
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

        source = draw_source.fn(f"{absolute(dest)}/source", images, test_images, size, config.seed)
        _run_pipeline(source, f"{absolute(dest)}/run", config, "csv", ui)
    if not no_server:
        typer.echo("The server stays up for you to look at; `memshield server stop` ends it.")


@server_app.command("start")
def server_start() -> None:
    """Starts the server on loopback, or finds it running."""
    from flows.local_server import server

    typer.echo(f"Prefect UI: {server.start().ui}")


@server_app.command("stop")
def server_stop() -> None:
    """Stops the server that memshield started."""
    from flows.local_server import server

    stopped = server.stop()
    typer.echo(f"stopped {stopped.ui}" if stopped else "no server of memshield is running")


@server_app.command("status")
def server_status() -> None:
    """Says whether the server is running; exit code 1 if not."""
    from flows.local_server import server

    found = server.running()
    typer.echo(f"running at {found.ui} (process {found.pid})" if found else "not running")
    if found is None:
        raise typer.Exit(1)


@presets_app.callback()
def presets(context: typer.Context) -> None:
    """Settings that come with memshield."""
    if context.invoked_subcommand is None:
        presets_list()


@presets_app.command("list")
def presets_list() -> None:
    """Names all presets, with the first line of what they say about themselves."""
    from flows.cli.presets import preset_names, preset_text

    for name in preset_names():
        typer.echo(f"{name:15} {preset_text(name).splitlines()[0].removeprefix('#').strip()}")


@presets_app.command("show")
def presets_show(name: Annotated[str, typer.Argument()], set: Overrides = None) -> None:
    """Prints every setting of a preset, those it leaves at their defaults too."""
    import yaml

    typer.echo(yaml.safe_dump(config_of(name, set, None).model_dump(mode="json"), sort_keys=False).rstrip())


@contextmanager
def _remedies() -> Iterator[None]:
    """What only `protect` has options for stands behind the sentence here, and nowhere else."""
    try:
        yield
    except MadeOtherwise as error:
        raise MadeOtherwise(f"{error}, {error.remedy}") from error


def _run_pipeline(source: str, dest: str, config: "RunConfig", format: str, ui: str) -> None:
    from flows.cli.printing import print_report
    from flows.pipeline import pipeline
    from mem_core.config.methods import METHODS

    place = pipeline(source, dest, config, format)
    print_report(place.summary)
    typer.echo(f"report:     {_link(place.page)}")
    for row in config.table:
        if METHODS[row.method].kind == "method":
            typer.echo(f"protected:  {dest}/rows/{row.name}/protected (its .tar files are what to hand out)")
    if ui:
        typer.echo(f"Prefect UI: {ui}")


def _link(page: str) -> str:
    return page if "://" in page else f"file://{page}"


def main() -> None:
    """The console script."""
    try:
        app()
    except KeyboardInterrupt:
        typer.echo(_INTERRUPTED, err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
