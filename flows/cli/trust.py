"""The commands of trust: preview, certify, detect."""

from typing import Annotated

import typer

from flows.cli.running import absolute, config_of, running

app = typer.Typer()

Protected = Annotated[str, typer.Argument(help="Folder of protected shards, or s3://bucket/prefix.")]
Clean = Annotated[str, typer.Option(help="The clean shards it was made from.")]
NoServer = Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")]


@app.command()
def preview(
    protected: Protected,
    clean: Clean,
    out: Annotated[str, typer.Option(help="Folder for preview.html and preview.png.")] = "preview",
    samples: Annotated[int, typer.Option(min=1, max=200, help="How many of the most visible samples.")] = 24,
    no_server: NoServer = False,
) -> None:
    """Shows the samples whose noise is most visible, before anything is uploaded."""
    with running(no_server):
        from flows.trust import preview

        found = preview(absolute(protected), absolute(clean), absolute(out), samples)
    typer.echo(f"preview: {absolute(out)}/{found.page}")


@app.command()
def certify(
    protected: Protected,
    clean: Annotated[str | None, typer.Option(help="The clean shards: then everything is audited again.")] = None,
    stress: Annotated[str | None, typer.Option(help="What `memshield stress` wrote.")] = None,
    victim: Annotated[list[str] | None, typer.Option(help="An evaluated victim's folder; may be repeated.")] = None,
    control: Annotated[
        list[str] | None, typer.Option(help="The same, trained on clean pairs with its settings.")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder for certificate.json and certificate.html.")] = "certificate",
    check: Annotated[str | None, typer.Option(help="A certificate.json to check instead.")] = None,
    no_server: NoServer = False,
) -> None:
    """Writes what is known about PROTECTED: audit, tests, the worst case, and what was not tested."""
    if check is not None:
        from tasks.trust import check_certificate

        found = check_certificate(absolute(check), absolute(protected))
        typer.echo(f"as it was written, and of this corpus: sha256 {found.sha256}")
        return
    with running(no_server):
        from flows.trust import certify

        place = certify(
            absolute(protected),
            absolute(out),
            absolute(clean) if clean else None,
            absolute(stress) if stress else None,
            tuple(absolute(folder) for folder in victim or ()),
            tuple(absolute(folder) for folder in control or ()),
        )
    typer.echo(place.headline)
    typer.echo(f"certificate: {place.page}")
    if place.certificate.audit.problems:
        raise typer.Exit(1)


@app.command()
def detect(
    model: Annotated[str, typer.Argument(help="A victim's folder, or a local checkpoint with --architecture.")],
    protected: Annotated[str, typer.Option(help="Protected pairs, best ones that were never published.")],
    clean: Clean,
    architecture: Annotated[str, typer.Option(help="Of a checkpoint: an open_clip name, or a JSON file.")] = "",
    permutations: Annotated[int, typer.Option(min=99, max=1_000_000)] = 9999,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    preset: Annotated[str, typer.Option("--preset", "-p", help="Where `runtime` is taken from.")] = "cpu",
    no_server: NoServer = False,
) -> None:
    """Tests whether MODEL learned the shortcut: does it pair each image's noise with that image's trigger?"""
    config = config_of(preset, None, None)
    with running(no_server):
        from flows.trust import detect

        place = absolute(model)
        found = detect(place, absolute(protected), absolute(clean), architecture, seed, permutations, config.runtime)
    typer.echo(
        f"p = {found.p_value:.4g} ({found.pairs} pairs, {found.permutations} permutations): agreement "
        f"{found.agreement:.4f}, by chance {found.expected:.4f} +- {found.deviation:.4f}; "
        f"the own trigger is nearest for {found.hit_at_1:.1%}, by chance {1 / found.triggers:.1%}"
    )
