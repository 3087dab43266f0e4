"""The first two steps as commands: a source becomes a clean corpus, a clean corpus a protected one."""

import re
from typing import Annotated, Any, Literal

import typer
import typer.core

from flows.cli.options import (
    Clean,
    Format,
    NoServer,
    Overrides,
    Preset,
    Protector,
    Seed,
    Source,
    TwinsKey,
    address_argument,
    address_option,
)
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command()
def shard(
    source: Source,
    dest: Annotated[str | None, address_argument("Folder to write into, or s3://bucket/prefix.")] = None,
    format: Format = "auto",
    caption_key: Annotated[
        str, typer.Option(help="Column or key that holds the captions, if memshield does not find it.")
    ] = "",
    image_key: Annotated[str, typer.Option(help="Column or key that holds the images or their paths, likewise.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of text files, such as latin-1; UTF-8 if not given.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be read, and why. Decodes no image, writes nothing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="With --dry-run: stop after so many images.")] = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Packs images and captions into a clean corpus: tars in DEST/train, DEST/test, ..."""
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
    print_sharded(found, preset, config.corpus)


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
    method: Annotated[
        str | None, typer.Option(help="Such as mem (the default) or codebook; a wrong name lists all.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="rounds: make a protector from this corpus; replay: use a stored one; independent: one for each tar."
        ),
    ] = None,
    protector: Protector = None,
    reuse: Annotated[
        str | None,
        address_option("For noise-only and trigger-only: the corpus that mem protected, whose noise or words to take."),
    ] = None,
    on_error: Annotated[
        str | None,
        typer.Option(help="What becomes of samples that fail: skip, or passthrough (publishes them UNPROTECTED)."),
    ] = None,
    on_mismatch: Annotated[
        Literal["fail", "redo"],
        typer.Option(help="What becomes of finished shards that were made from other input or with other settings."),
    ] = "fail",
    twins: Annotated[
        float | None,
        typer.Option(
            metavar="[SHARE]",
            min=0,
            max=1,
            help="Keep a second version of each sample, or of a share, in PROTECTED/twins: `detect` needs it.",
        ),
    ] = None,
    twins_key: TwinsKey = None,
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Seed = None,
    no_server: NoServer = False,
) -> None:
    """Protects a clean corpus, tar by tar; what is finished is not done again."""
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
    print_protected(done, clean, twins=twins is not None)
