"""The shards of a published corpus as the one line that webdataset and open_clip take."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from mem_core.common.errors import ConfigError
from mem_core.data.manifest import Manifest

_NUMBERED = re.compile(r"(.*?)(\d+)")
_SPECIAL = re.compile(r"([\\{}])")
_READ_OTHERWISE = ("::", "${")  # webdataset splits at the one and puts variables in place of the other


def shard_line(uri: str, shards: Sequence[str]) -> str:
    """The tars of so many shards (at least one) in the folder at `uri`, with braces: expanded, exactly they come out.

    Every brace stands for one part of the name, so that `braceexpand` alone undoes it: there is no `::` in it, which
    would make several data sets of one. What lies in an object store is read by the command that webdataset's own
    documentation uses. Raises `ConfigError` for an address in which webdataset would read something else.
    """
    for part in _READ_OTHERWISE:
        if part in uri:
            raise ConfigError(f"expected an address without {part} in it, as webdataset reads it otherwise, got {uri}")
    runs = list(_runs(shards))
    names = runs[0] if len(runs) == 1 else "{" + ",".join(runs) + "}"
    if uri.startswith("s3://"):  # a shell runs what stands behind `pipe:`, after the braces are gone
        return f"pipe:aws s3 cp {_escaped(shlex.quote(f'{uri}/'))}{names}.tar -"
    return f"{_escaped(uri)}/{names}.tar"


def loadable(manifest: Manifest) -> dict[str, int]:
    """The shards that have samples, and how many. A tar without any, where all failed, stops some loaders."""
    return {entry.name: entry.samples for entry in manifest.shards if entry.samples}


def open_clip_options(uri: str, shards: Mapping[str, int]) -> str:
    """What a shell has to be given to train open_clip on shards of so many samples each; see `shard_line`."""
    given = shlex.quote(shard_line(uri, list(shards)))
    return f"--train-data {given} --dataset-type webdataset --train-num-samples {sum(shards.values())}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _runs(shards: Sequence[str]) -> Iterator[str]:
    """Names that count on from each other as `00000..00041` in braces, all others as they are."""
    run: list[str] = []
    for shard in sorted(shards):
        if run and _next(run[-1]) != shard:
            yield _run(run)
            run = []
        run.append(shard)
    yield _run(run)


def _next(shard: str) -> str:
    """The name with the next number of as many digits; of 9, for example, there is none."""
    numbered = _NUMBERED.fullmatch(shard)
    if numbered is None:
        return ""
    start, digits = numbered.groups()
    following = str(int(digits) + 1).zfill(len(digits))
    return start + following if len(following) == len(digits) else ""


def _run(run: Sequence[str]) -> str:
    if len(run) == 1:
        return run[0]
    start, first = _NUMBERED.fullmatch(run[0]).groups()  # type: ignore[union-attr]  # it has a next one
    return f"{start}{{{first}..{run[-1].removeprefix(start)}}}"
