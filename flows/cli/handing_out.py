"""The command that makes a folder of pictures of a protected corpus."""

from typing import Annotated, Literal

import typer

from flows.cli.options import Protected, address_argument, address_option
from flows.cli.quiet import is_quiet

app = typer.Typer()


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
        str | None, address_option("The clean shards it was made from: names also what these do not have.")
    ] = None,
) -> None:
    """Writes the protected pictures under their original names, captions beside them; nothing there is written over.

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
