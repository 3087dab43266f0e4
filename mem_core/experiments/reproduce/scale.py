"""How large a study is: one file for each scale, so that the same experiments run on a laptop and on a GPU."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from pydantic import Field

from mem_core.common.errors import ConfigError, DestinationError, MismatchError
from mem_core.common.nearest import meant
from mem_core.common.paths import whole_path
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config import CorpusConfig, Frozen, ProtectConfig, RunnerConfig, merge, parse_config
from mem_core.config.base import parse_yaml, settings_text
from mem_core.config.stored import read_record, write_record
from mem_core.perturb.language import LanguageModelConfig
from mem_core.victim.config import EvaluateConfig, VictimConfig

OWN, PORTRAITS, PEOPLE = "own", "portraits", "pubfig"
PHOTOGRAPHS = ("flickr8k", "flickr30k", "coco", "coco-karpathy")
"""The datasets of the paper's tables 1 to 3; MS-COCO by either split that is to be had."""
_SHIPPED = files("mem_core.experiments.reproduce") / "scales"


class Drawn(Frozen):
    """A corpus drawn out of nothing in place of a dataset: so many images of so many pixels."""

    train: int = Field(ge=2)
    test: int = Field(ge=1)
    size: int = Field(64, ge=16, le=1024)
    validation: int = Field(0, ge=0, description="beside those for training; 0: held out of these")


class People(Frozen):
    """Invented people in place of photographs of real ones, and portraits of others to pretrain on."""

    people: int = Field(60, ge=2)
    photos: int = Field(12, ge=2, description="of each; one of them is the test")
    size: int = Field(64, ge=16, le=1024)
    portraits: int = Field(2000, ge=2, description="described by what is seen, without names")
    epochs: int = Field(8, ge=1, description="of the pretraining")
    learning_rate: float = Field(1e-3, gt=0, le=1)


class StudyScale(Frozen):
    """Everything that all experiments of a study share.

    victims: what each role of the tables (`rn50`, `vit-b-32`, ...) is at this scale, laid on `victim`; `main` is the
    one of tables with a single victim. datasets: those that are part of this scale. drawn: if set, every dataset is
    drawn and no photograph is needed; people: if set, that of people is. faces: laid on `protect` for the rows of the
    face case. A `pretrained` of "portraits" is a model that the study trains on drawn portraits, a language model
    "own" is one that it trains on the dataset's captions, as `language_model` says.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    about: str = ""
    seed: int = Field(0, ge=0, lt=2**31, description="of corpora, noise and triggers")
    seeds: int = Field(3, ge=1, le=100, description="victims of each row; a row is done with all rows before its next")
    datasets: tuple[str, ...] = ("flickr8k",)
    leave_out: tuple[str, ...] = Field((), description="rows that are not measured at this scale")
    drawn: Drawn | None = None
    people: People | None = None
    faces: dict[str, Any] = Field({}, description="as {surrogate: {pretrained: openai}}")
    fluent: dict[str, Any] = Field({"language_model": OWN}, description="laid on `protect.trigger` of fluent rows")
    language_model: LanguageModelConfig = LanguageModelConfig()
    corpus: CorpusConfig = CorpusConfig()
    protect: ProtectConfig = ProtectConfig()
    victim: VictimConfig = VictimConfig()
    victims: dict[str, dict[str, Any]] = Field({"main": {}}, min_length=1)
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RunnerConfig = RunnerConfig()

    def draws(self, dataset: str) -> bool:
        """Whether a dataset is drawn, so that nobody has to get it."""
        return self.drawn is not None or (self.people is not None and dataset == PEOPLE)

    def victim_config(self, role: str) -> VictimConfig:
        """What trains under this role. Raises `ConfigError` for a role that the scale does not have."""
        if role not in self.victims:
            raise ConfigError(f"expected a victim out of {', '.join(self.victims)} at scale {self.name}, got {role!r}")
        values = merge(self.victim.model_dump(), self.victims[role])
        return parse_config(VictimConfig, values, f"scale {self.name}, victim {role}")


def scale_names() -> list[str]:
    """The scales that come with memshield."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml"))


def load_scale(name_or_path: str, changes: Mapping[str, Any] | None = None) -> StudyScale:
    """A shipped scale or a YAML file of the user's, with some settings changed. Raises `ConfigError`."""
    path = whole_path(name_or_path)
    if name_or_path in scale_names():
        text = (_SHIPPED / f"{name_or_path}.yaml").read_text(encoding="utf-8")
    elif path.suffix in (".yaml", ".yml") and path.is_file():
        text = settings_text(path, "scale")
    else:
        what = f"expected a scale out of {', '.join(scale_names())} or a .yaml file, got {name_or_path!r}"
        raise ConfigError(what + meant(name_or_path, scale_names()))
    values = parse_yaml(text, f"YAML in {name_or_path}")
    if not isinstance(values, dict):
        raise ConfigError(f"expected settings by name in {name_or_path}, got {type(values).__name__}")
    scale = parse_config(StudyScale, merge(values, changes or {}), f"scale {name_or_path}")
    for role in scale.victims:
        scale.victim_config(role)
    return scale


RECORD = "scale.json"
_REPORT = "report/report.json"
_MAY_CHANGE = {"name", "about", "seeds", "datasets", "leave_out", "runtime"}
_NAMED = 3


class _StudyRecord(Frozen):
    """settings: those of the scale that are not at their defaults, so that one that is new changes no folder."""

    format: int = 1
    name: str
    settings: dict[str, Any]


def require_own(folder: Folder, scale: StudyScale) -> None:
    """Raises `DestinationError` if the folder was made at another scale, before anything in it is touched.

    How much is measured (seeds, datasets, rows left out) and where it runs may change from call to call.
    """
    found, ours = _found(folder), _record(scale)
    if found is None or found == ours:
        return
    whose = f"belongs to scale {found.name}"
    if found.name == ours.name:
        whose += f" with other settings ({_differing(found.settings, ours.settings)})"
    raise DestinationError(
        f"expected an empty folder or one of scale {ours.name}, but {folder.uri} {whose}: choose another folder"
    )


def claim_folder(folder: Folder, scale: StudyScale) -> None:
    """Leaves the record, unless it is there. Raises as `require_own`."""
    require_own(folder, scale)
    if not folder.exists(RECORD):
        write_record(folder, RECORD, _record(scale), indent=1)


def _record(scale: StudyScale) -> _StudyRecord:
    settings = scale.model_dump(mode="json", exclude=_MAY_CHANGE, exclude_defaults=True)
    return _StudyRecord(name=scale.name, settings=settings)


def _found(folder: Folder) -> _StudyRecord | None:
    """The record, or what the report of a folder made before there were records says; None where neither is."""
    return read_record(folder, RECORD, _StudyRecord, "the record of a study") or _reported(folder)


def _reported(folder: Folder) -> _StudyRecord | None:
    try:
        return _record(StudyScale.model_validate(json.loads(read_bytes(folder, _REPORT))["scale"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise MismatchError(
            f"expected an empty folder or a study's, but {folder.uri} has the {_REPORT} of something else, or of "
            "another version: choose another folder"
        ) from error


def _differing(found: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """The names of settings that differ, as protect.noise.epsilon."""
    theirs, here = dict(_flat(found)), dict(_flat(ours))
    names = sorted(name for name in theirs.keys() | here.keys() if theirs.get(name) != here.get(name))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
