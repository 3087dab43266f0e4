"""The commands of trust: preview, certify, commit, detect, stress."""

import shlex
from typing import Annotated, Literal

import typer

from flows.cli.grammar import CleanFirst
from flows.cli.options import (
    AsJson,
    Clean,
    Dest,
    NoServer,
    Overrides,
    Preset,
    Protected,
    TwinsKey,
    address_argument,
    address_option,
)
from flows.cli.running import config_of, running

app = typer.Typer()


@app.command(cls=CleanFirst)
def preview(
    clean: Clean,
    protected: Protected,
    out: Annotated[str, address_option("Folder for preview.html and preview.png.")] = "preview",
    samples: Annotated[int, typer.Option(min=1, max=200, help="How many of the most visible samples.")] = 24,
    no_server: NoServer = False,
) -> None:
    """Shows the samples whose noise is most visible, before anything is uploaded."""
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.trust import preview
        from tasks.order import require_clean_first
        from tasks.result_pages import page_link

        require_clean_first(clean, protected)
        found = preview(protected, clean, out, samples)
    typer.echo(f"preview: {page_link(f'{out}/{found.page}')}")
    next_command("export", protected, "FOLDER", "--clean", clean)


@app.command()
def certify(
    protected: Protected,
    clean: Annotated[str | None, address_option("The clean shards: then everything is audited again.")] = None,
    stress: Annotated[str | None, address_option("What `memshield stress` wrote.")] = None,
    victim: Annotated[list[str] | None, address_option("An evaluated victim's folder; may be repeated.")] = None,
    control: Annotated[list[str] | None, address_option("The same, trained on clean pairs with its settings.")] = None,
    commitment: Annotated[str | None, address_option("What `memshield commit` wrote.", "FILE")] = None,
    out: Annotated[str, address_option("Folder for certificate.json and certificate.html.")] = "certificate",
    check: Annotated[str | None, address_option("A certificate.json to check instead.", "FILE")] = None,
    no_server: NoServer = False,
) -> None:
    """Writes what is known about PROTECTED: audit, tests, the worst case, and what was not tested."""
    if check is not None:
        from tasks.trust import check_certificate

        found = check_certificate(check, protected)
        typer.echo(f"as it was written, and of this corpus: sha256 {found.sha256}")
        return
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.trust import certify
        from tasks.result_pages import page_link

        place = certify(protected, out, clean, stress, tuple(victim or ()), tuple(control or ()), commitment)
    typer.echo(place.headline)
    typer.echo(f"certificate: {page_link(place.page)}")
    next_command("certify", protected, "--check", f"{out}/certificate.json")
    if place.certificate.audit.problems:
        raise typer.Exit(1)


@app.command()
def commit(
    protected: Annotated[str, address_argument("A corpus that was protected with --twins.")],
    out: Annotated[str, address_option("Folder for commitment.json.")] = "commitment",
    statistic: Annotated[
        Literal["words-and-noise", "words", "own-trigger", "caption", "noise", "loss"],
        typer.Option(help="The only one that will count; docs/evidence.md explains them."),
    ] = "words-and-noise",
    alpha: Annotated[float, typer.Option(help="The p-value from which on there is evidence.")] = 0.001,
    sequential: Annotated[bool, typer.Option("--sequential", help="May be looked at after every 256 pairs.")] = False,
    twins_key: TwinsKey = None,
    stamp: Annotated[
        bool, typer.Option("--stamp", help="Also write the question to a time-stamping service (RFC 3161).")
    ] = False,
    no_server: NoServer = False,
) -> None:
    """Fixes, before you publish, what `detect` will test; tells nothing of the secret coins but a hash."""
    from mem_core.audit.evidence.outcome import EvidencePlan
    from mem_core.config.base import parse_config

    settled = {"statistic": statistic, "alpha": alpha, "sequential": sequential}
    plan = parse_config(EvidencePlan, settled, "the test")
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.local_server.server import keys
        from flows.trust import commit

        place = commit(protected, out, plan, keys(twins_key), stamp)
    typer.echo(f"commitment: {place.address} ({place.pairs:,} twin pairs), sha256 {place.sha256}")
    if place.without:
        typer.echo(f"published samples that the key chose and that have no twin: {place.without:,}")
    typer.echo("Publish nothing before somebody else has dated it: its own date proves nothing.")
    if not stamp:
        typer.echo(f"openssl ts -query -data {shlex.quote(place.address)} -cert -sha512 -out commitment.tsq")
    next_command("detect", "MODEL", "--twins", f"{protected}/twins", "--commitment", place.address)


@app.command()
def detect(
    model: Annotated[
        str,
        address_argument(
            "A victim's folder, a local checkpoint with --architecture, a name with --embeddings, or a detection.json "
            "with --check."
        ),
    ],
    twins: Annotated[str | None, address_option("DEST/twins, as `protect --twins` left it.")] = None,
    commitment: Annotated[str | None, address_option("The commitment.json from before publishing.", "FILE")] = None,
    twins_key: TwinsKey = None,
    architecture: Annotated[str, typer.Option(help="Of a checkpoint: an open_clip name, or a JSON file.")] = "",
    embeddings: Annotated[
        str | None, address_option("Vectors recorded from an endpoint in place of a model: .npz or .jsonl.", "FILE")
    ] = None,
    queries: Annotated[str | None, address_option("Only write what to ask an endpoint, into this folder.")] = None,
    out: Annotated[str, address_option("Folder for detection.json and detection.html.")] = "detection",
    open: Annotated[
        bool, typer.Option("--open", help="Put the secret key into detection.json: then anybody can check it.")
    ] = False,
    check: Annotated[str | None, address_option("A commitment.json: check a result under it instead.", "FILE")] = None,
    preset: Preset = "cpu",
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Shows whether MODEL learned from what was published: an exact p-value from coins that only the owner knows."""
    if check is not None:
        from flows.cli.printing import print_json
        from flows.local_server.server import keys
        from tasks.as_json import detect_values
        from tasks.evidence import check_result

        place = check_result(check, model, keys(twins_key))
        if as_json:
            print_json(detect_values(place))
        else:
            typer.echo(f"as it follows from the key and the recorded preferences: {place.headline}")
        return
    for name, given in (("--twins", twins), ("--commitment", commitment)):
        if given is None:
            what = "without twins, and a commitment from before publishing, nothing can be shown"
            raise typer.BadParameter(what, param_hint=name)
    assert twins is not None
    assert commitment is not None
    config = config_of(preset)
    with running(no_server):
        from flows import trust
        from flows.cli.endings import next_command
        from flows.cli.printing import print_json
        from flows.local_server.server import keys
        from tasks.as_json import detect_values, queries_values
        from tasks.result_pages import page_link

        if queries is not None:
            count, file = trust.queries(twins, commitment, keys(twins_key), queries), f"{queries}/queries.jsonl"
            if as_json:
                print_json(queries_values(file, count))
            else:
                typer.echo(f"{count:,} queries: {file}")
                answers = ("--twins", twins, "--commitment", commitment, "--embeddings", "ANSWERS")
                next_command("detect", model.rpartition("/")[2], *answers)  # a name: an address was made of it
            return
        place = trust.detect(
            model, twins, commitment, keys(twins_key), out, architecture, embeddings, open, config.runtime
        )
    if as_json:
        print_json(detect_values(place))
        return
    typer.echo(place.headline)
    typer.echo(f"result: {page_link(place.page)}")
    key = ("--twins-key", twins_key) if twins_key and not open else ()
    next_command("detect", f"{out}/detection.json", "--check", commitment, *key)


@app.command(cls=CleanFirst)
def stress(
    clean: Clean,
    protected: Protected,
    out: Dest,
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
    as_json: AsJson = False,
    no_server: NoServer = False,
) -> None:
    """Trains victims under every countermeasure, and shows what protection is left, worst case first."""
    config_of(preset, set)
    with running(no_server):
        from flows.cli.endings import next_command
        from flows.cli.printing import print_json, print_stress
        from flows.stress import stress
        from tasks.as_json import stress_values
        from tasks.order import require_clean_first
        from tasks.result_pages import page_link

        require_clean_first(clean, protected)
        place = stress(
            protected,
            clean,
            test,
            out,
            validation,
            suite,
            samples,
            pretrained,
            preset,
            tuple(set or ()),
            () if seed is None else (seed,),
        )
    if as_json:
        print_json(stress_values(place))
        return
    print_stress(place.report)
    typer.echo(f"report: {page_link(place.page)}")
    next_command("certify", protected, "--clean", clean, "--stress", out)
