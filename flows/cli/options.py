"""Arguments and options that several commands have."""

from typing import Annotated, Any

import typer

from flows.cli.nearest_path import note_path
from mem_core.common.errors import ConfigError
from mem_core.common.paths import require_spelled, whole_path


def address(given: str) -> str:
    """An address as it is, a path made whole: a flow's parameters must mean the same on every machine's terms.

    Raises `ConfigError` for an empty one: a shell variable that is not set must not mean the current folder.
    """
    if not given.strip():
        raise ConfigError("expected a path or an s3:// address, got an empty one")
    require_spelled(given)
    if "://" in given:
        return given
    path = str(whole_path(given))
    note_path(path)
    return path


def _file(given: str) -> str:
    if not given.strip():
        raise ConfigError("expected the path of a file, got an empty one")
    return str(whole_path(given))


def address_argument(help: str, metavar: str | None = None) -> Any:
    """An argument that is an address. metavar: what it is called in help, if not by its name in capitals."""
    return typer.Argument(parser=address, help=help, metavar=metavar)


def address_option(help: str, metavar: str = "FOLDER") -> Any:
    """An option that is an address."""
    return typer.Option(parser=address, help=help, metavar=metavar)


def _presets(incomplete: str) -> list[str]:
    """For the shell's completion."""
    from flows.cli.presets import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


Clean = Annotated[str, address_argument("Folder of clean shards, or s3://bucket/prefix.")]
Protected = Annotated[str, address_argument("Folder of protected shards, or s3://bucket/prefix.")]
Dest = Annotated[str, address_argument("Folder to write into, or s3://bucket/prefix.")]
Source = Annotated[
    str, address_argument("Images with captions: a folder, a caption file, tars, or s3://bucket/prefix.")
]
Protector = Annotated[
    str | None, address_option("Folder of a finished protector (PROTECTED/protector), to protect this corpus with it.")
]
TwinsKey = Annotated[
    str | None,
    typer.Option(
        parser=_file, metavar="FILE", help="File of the secret key of the twins, if not in this installation's keys/."
    ),
]
Format = Annotated[str, typer.Option(metavar="NAME", help="How the source is laid out; `auto` finds out.")]
Preset = Annotated[
    str,
    typer.Option(
        "--preset",
        "-p",
        metavar="NAME",
        autocompletion=_presets,
        help="A preset's name, or a YAML file; see `presets`.",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY=VALUE", help="A setting, as protect.noise.epsilon=4/255; `settings` lists all."
    ),
]
Seed = Annotated[int | None, typer.Option(help="Replaces the preset's seed.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object for programs in place of text; exit codes are the same.")
]
NoServer = Annotated[bool, typer.Option("--no-server", help="Keep no records of the run.")]
