"""The commands of trust: preview, certify, detect, stress."""

from typing import Annotated, Literal

import typer

from flows.cli.options import CleanOption, NoServer, Overrides, Preset, Protected, address_argument, address_option
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command()
def preview(
    protected: Protected,
    clean: CleanOption,
    out: Annotated[str, address_option("Folder for preview.html and preview.png.")] = "preview",
    samples: Annotated[int, typer.Option(min=1, max=200, help="How many of the most visible samples.")] = 24,
    no_server: NoServer = False,
) -> None:
    """Shows the samples whose noise is most visible, before anything is uploaded."""
    with running(no_server):
        from flows.trust import preview

        found = preview(protected, clean, out, samples)
    typer.echo(f"preview: {out}/{found.page}")


@app.command()
def certify(
    protected: Protected,
    clean: Annotated[str | None, address_option("The clean shards: then everything is audited again.")] = None,
    stress: Annotated[str | None, address_option("What `memshield stress` wrote.")] = None,
    victim: Annotated[list[str] | None, address_option("An evaluated victim's folder; may be repeated.")] = None,
    control: Annotated[list[str] | None, address_option("The same, trained on clean pairs with its settings.")] = None,
    out: Annotated[str, address_option("Folder for certificate.json and certificate.html.")] = "certificate",
    check: Annotated[str | None, address_option("A certificate.json to check instead.")] = None,
    no_server: NoServer = False,
) -> None:
    """Writes what is known about PROTECTED: audit, tests, the worst case, and what was not tested."""
    if check is not None:
        from tasks.trust import check_certificate

        found = check_certificate(check, protected)
        typer.echo(f"as it was written, and of this corpus: sha256 {found.sha256}")
        return
    with running(no_server):
        from flows.trust import certify

        place = certify(protected, out, clean, stress, tuple(victim or ()), tuple(control or ()))
    typer.echo(place.headline)
    typer.echo(f"certificate: {place.page}")
    if place.certificate.audit.problems:
        raise typer.Exit(1)


@app.command()
def detect(
    model: Annotated[str, address_argument("A victim's folder, or a local checkpoint with --architecture.")],
    protected: Annotated[str, address_option("Protected pairs, best ones that were never published.")],
    clean: CleanOption,
    architecture: Annotated[str, typer.Option(help="Of a checkpoint: an open_clip name, or a JSON file.")] = "",
    permutations: Annotated[int, typer.Option(min=99, max=1_000_000)] = 9999,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    preset: Preset = "cpu",
    no_server: NoServer = False,
) -> None:
    """Tests whether MODEL learned the shortcut: does it pair each image's noise with that image's trigger?"""
    config = config_of(preset)
    with running(no_server):
        from flows.trust import detect
        from mem_core.audit.ownership import detection_note

        found = detect(model, protected, clean, architecture, seed, permutations, config.runtime)
    typer.echo(
        f"p = {found.p_value:.4g} ({found.pairs} pairs, {found.permutations} permutations): agreement "
        f"{found.agreement:.4f}, by chance {found.expected:.4f} +- {found.deviation:.4f}; "
        f"the own trigger is nearest for {found.hit_at_1:.1%}, by chance {1 / found.triggers:.1%}"
    )
    typer.echo(detection_note(found))


@app.command()
def stress(
    protected: Protected,
    out: Annotated[str, address_argument("Local folder to write into.")],
    clean: CleanOption,
    test: Annotated[str, address_option("Clean test shards to query victims on.")],
    validation: Annotated[
        str | None, address_option("Other clean shards, by which the best epoch of each victim is chosen.")
    ] = None,
    suite: Annotated[
        Literal["default", "full"], typer.Option(help="default: a dozen attacks; full: all of them.")
    ] = "default",
    samples: Annotated[int, typer.Option(min=2, help="Pairs that each victim trains on at most.")] = 2000,
    pretrained: Annotated[str, typer.Option(help="Weights for the row whose victim is fine-tuned.")] = "",
    preset: Preset = "cpu",
    set: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="One seed in place of the preset's victim_seeds.")] = None,
    no_server: NoServer = False,
) -> None:
    """Trains victims under every countermeasure, and shows what protection is left, worst case first."""
    config = config_of(preset, set)
    with running(no_server):
        from flows.cli.printing import print_stress
        from flows.stress import stress

        place = stress(
            protected,
            clean,
            test,
            out,
            suite,
            config.victim,
            config.evaluate,
            config.runtime,
            config.victim_seeds if seed is None else (seed,),
            samples,
            pretrained,
            validation,
        )
    print_stress(place.report)
    typer.echo(f"report:     file://{place.page}")
