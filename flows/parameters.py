"""Parameters that several flows have, with what their forms say about them, and the settings that they come to."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from flows.cli.presets import load_preset, preset_names
from mem_core.common.errors import ConfigError
from mem_core.config import RunnerConfig
from mem_core.experiments.config import RunConfig
from tasks.events import Measure

M = TypeVar("M", bound=BaseModel)


def said(text: str, **schema: Any) -> Any:
    """What the form says about a parameter.

    In the schema itself: Prefect overwrites a field's own description with that of the docstring, be there one or not.
    """
    return Field(json_schema_extra={"description": text, **schema})


Clean = Annotated[str, said("Clean shards: a folder that workers see, or s3://bucket/prefix.")]
Protected = Annotated[str, said("Protected shards: a folder that workers see, or s3://bucket/prefix.")]
Dest = Annotated[str, said("Where the result goes: a folder that workers see, or s3://bucket/prefix.")]
Source = Annotated[str, said("Folder or caption file of a corpus, or s3://bucket/prefix.")]
Format = Annotated[str, said("How the source is laid out, as `memshield shard --format`; auto finds out.")]
Preset = Annotated[
    str,
    said("Settings that come with memshield; what is filled in below is laid on them.", enum=preset_names()),
]
Settings = Annotated[
    tuple[str, ...],
    said("Settings that differ from the preset, one an item, as protect.noise.epsilon=4/255 (`memshield settings`)."),
]
Seed = Annotated[int | None, said("What all random choices are drawn from. None: the preset's.")]
Runtime = Annotated[
    RunnerConfig | None,
    said("Devices, workers, Ray. None: the preset's. Filled in, it replaces the preset's `runtime` as a whole."),
]
Protector = Annotated[str | None, said("Folder of a finished protector, to replay it on this corpus.")]
TwinsKey = Annotated[
    str | None, said("Path of the secret key of the twins, if it is not among the keys of this installation.")
]
Test = Annotated[str | None, said("Clean test shards, to watch the median ranks on.")]
Validation = Annotated[
    str | None, said("Other clean shards, by which the best epoch is chosen and kept; without them there is none.")
]
Then = Annotated[
    Measure | None,
    said("What to measure afterwards, by the triggers of `train` and `evaluate`, if anything was made. None: nothing."),
]


def whole(part: str) -> str:
    """What a form says about all settings of one part."""
    return (
        f"All settings of `{part}` at once. None: the preset's. Filled in, it replaces the preset's as a whole, from "
        "memshield's defaults on; to change a few, use `settings`."
    )


def chosen(preset: str, settings: Sequence[str] = (), seed: int | None = None, **given: BaseModel | None) -> RunConfig:
    """A preset with what is laid on it; given: parts by name, that replace the preset's as a whole.

    Raises `ConfigError` for a mistake, and for settings of a part that is replaced: they would be lost.
    """
    replaced = {name: part for name, part in given.items() if part is not None}
    for setting in settings:
        part = setting.partition(".")[0].partition("=")[0]
        if part in replaced:
            raise ConfigError(f"expected all settings of `{part}` in one place, got {setting!r} besides them")
    return load_preset(preset, settings, seed).model_copy(update=replaced)
