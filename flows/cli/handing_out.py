"""The commands before handing out: check a protected corpus, write it as pictures, or index its tars for loaders."""

from typing import Annotated, Literal

import typer

from flows.cli.options import AsJson, NoServer, Protected, TwinsKey, address_argument, address_option
from flows.cli.quiet import is_quiet
from flows.cli.running import running

app = typer.Typer()


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
    """Reads everything again and compares PROTECTED with CLEAN; exit code 1 if anything is wrong.

    With --published-only it checks one folder to hand out: nothing but protected tars, and nothing in them that
    leads back to the clean files.
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
def export(
    protected: Protected,
    folder: Annotated[
        str, address_argument("Empty folder, or an earlier export to go on with; or s3://bucket/prefix.")
    ],
    captions: Annotated[
        Literal["txt", "json", "csv", "jsonl"],
        typer.Option(
            help="txt: a file beside each picture, and a .json where it has several captions; json: a .json beside "
            "each, with licence and note; csv: captions.csv; jsonl: metadata.jsonl."
        ),
    ] = "txt",
    clean: Annotated[
        str | None,
        address_option(
            "The clean corpus that was protected: then pictures that `shard` could not take are named, too."
        ),
    ] = None,
) -> None:
    """Writes the protected pictures as files under their own names, captions beside them; overwrites nothing.

    A picture that is not there is named with the reason. The names are those of your files: they tell where each
    picture came from, which the tars do not.
    """
    from flows.cli.endings import print_export
    from tasks.exporting import export_to
    from tasks.terminal import shown_on_terminal

    with shown_on_terminal(quiet=is_quiet()):
        found = export_to(protected, folder, captions, clean)
    print_export(found, protected, captions, clean)
    if found.refused:
        raise typer.Exit(1)


@app.command()
def index(
    protected: Protected,
    license: Annotated[str, typer.Option(help="For the page: the hub's name of a licence, as cc-by-4.0.")] = "unknown",
    license_link: Annotated[str, typer.Option(help="Where the licence stands, if the hub has no name for it.")] = "",
) -> None:
    """Writes what some data loaders need beside the tars: wids.json, .nv-meta for Megatron-Energon, a dataset card."""
    from flows.cli.endings import next_command
    from flows.cli.printing import print_index
    from tasks.indexing import index_corpus
    from tasks.terminal import shown_on_terminal

    with shown_on_terminal(quiet=is_quiet()):
        found = index_corpus(protected, license, license_link)
    print_index(found)
    next_command("verify", "COPY", "--published-only", "--against", protected)
