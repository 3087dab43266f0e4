"""`memshield bench`: the benchmarks of the source tree, which are not part of the installed package."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mem_core.common.errors import ConfigError
from mem_core.common.paths import whole_path

app = typer.Typer()

_TREE = Path(__file__).parents[2]


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Small models and corpora, few repeats.")] = False,
    only: Annotated[str | None, typer.Option(help="One benchmark by its name, such as 'PGD step'.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for speed-cpu.json and speed-cpu.png.")] = None,
) -> None:
    """Measures speed and memory against floors from the same run; exit code 1 if a bound is missed."""
    if not (_TREE / "benchmarks" / "__main__.py").is_file():
        raise ConfigError(
            "expected the source tree, as the benchmarks are not part of the installed package: "
            "clone the repository and run `make bench`"
        )
    named = {"--only": only, "--out": None if out is None else str(whole_path(out))}
    options = [part for name, value in named.items() if value is not None for part in (name, value)]
    command = [sys.executable, "-m", "benchmarks", *(["--quick"] if quick else []), *options]
    raise typer.Exit(subprocess.run(command, cwd=_TREE, check=False).returncode)
