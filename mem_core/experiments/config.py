"""A preset: everything one run needs, and the rows of its table. A row runs after the row it reuses."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mem_core.common.errors import ConfigError
from mem_core.common.storage.folder import Folder
from mem_core.config.base import Frozen, merge, parse_config, unit
from mem_core.config.corpus import CorpusConfig
from mem_core.config.methods import CLEAN, MEM, METHODS, Method
from mem_core.config.protect import ProtectConfig
from mem_core.config.runtime import RunnerConfig
from mem_core.config.stored import read_record, write_record
from mem_core.victim.config import EvaluateConfig, VictimConfig

RUN_NAME = "run.json"
"""At the top of a pipeline's destination: its `RunConfig`."""


class RowConfig(Frozen):
    """One row of a table: the run's settings with some changed, under a name of its own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="the row's name, unique in its table, such as mem-5")
    method: Method
    label: str = Field("", description="what readers see; empty: the usual label of the method")
    corpus: Literal["image", "pair"] | None = Field(
        None, description="a sample an image or a caption; null: as corpus.one_sample_per says"
    )
    fit_shards: int | None = Field(
        None,
        ge=1,
        description="fit on the first so many shards, then replay on all; null: fit on all",
        json_schema_extra=unit("shards"),
    )
    protect: dict[str, Any] = Field({}, description="settings of `protect` that are different in this row")
    victim: dict[str, Any] = Field({}, description="settings of `victim` that are different in this row")

    def protect_config(self, base: ProtectConfig) -> ProtectConfig:
        """How this row is protected. Raises `ConfigError`.

        The run's `trigger.kind` is for the rows whose method takes other words than its own, its `placement` for those
        whose words may stand there, its `source` for a codebook, its `surrogate.checkpoint` for those whose surrogate
        is trained before.
        """
        run, own = base.model_dump(), METHODS[self.method]
        if not own.chooses_trigger:
            run = merge(run, {"trigger": {"kind": "method"}})
        if not own.places_words(base.trigger.placement):
            run = merge(run, {"trigger": {"placement": "front"}})
        if own.trigger != "topic":
            run = merge(run, {"trigger": {"source": "vocabulary"}})
        if not own.learns_first:
            run = merge(run, {"surrogate": {"checkpoint": ""}})
        values = merge(run, {**self.protect, "method": self.method})
        return parse_config(ProtectConfig, values, f"row {self.name}")

    @property
    def is_clean(self) -> bool:
        """Whether victims of this row are trained on the corpus as it is."""
        return self.method == CLEAN

    def victim_config(self, base: VictimConfig) -> VictimConfig:
        """How this row's victims are trained. Raises `ConfigError`."""
        return parse_config(VictimConfig, merge(base.model_dump(), self.victim), f"row {self.name}")


class RunConfig(Frozen):
    """A preset: everything one pipeline run needs."""

    name: str = Field("default", pattern=r"^[a-z0-9][a-z0-9-]*$", description="what reports call the preset")
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="what all random choices of sharding and protecting are drawn from: equal seeds, equal bytes",
    )
    rows: tuple[Method | RowConfig, ...] = Field(
        (CLEAN, MEM),
        min_length=1,
        description="rows of the pipeline's table: methods, or variants of one under names of their own",
    )
    victim_seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = Field(
        (0,), min_length=1, description="a victim of each row is trained for each of these seeds"
    )
    corpus: CorpusConfig = CorpusConfig()
    protect: ProtectConfig = ProtectConfig()
    victim: VictimConfig = VictimConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    runtime: RunnerConfig = RunnerConfig()

    @property
    def table(self) -> tuple[RowConfig, ...]:
        """The rows, each once and with its name."""
        named = [row if isinstance(row, RowConfig) else RowConfig(name=row, method=row) for row in self.rows]
        return tuple({row.name: row for row in named}.values())

    @model_validator(mode="after")
    def _rows_fit(self) -> "RunConfig":
        variants = [row.name for row in self.rows if isinstance(row, RowConfig)]
        if len(set(variants)) < len(variants):
            raise ValueError(f"expected a name of its own for each row, got {', '.join(variants)}")
        try:
            for row in self.table:
                row.protect_config(self.protect)
                row.victim_config(self.victim)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self


def read_run(folder: Folder) -> RunConfig | None:
    """The settings a pipeline was last run with, None elsewhere. Raises `MismatchError` if they cannot be read."""
    return read_record(folder, RUN_NAME, RunConfig, "a pipeline's settings")


def write_run(folder: Folder, config: RunConfig) -> bool:
    """Leaves the settings, for the report and for `status`. Returns whether there were none before."""
    first = not folder.exists(RUN_NAME)
    write_record(folder, RUN_NAME, config)
    return first


def clean_folder(kind: str | None, config: RunConfig) -> str:
    """Where a pipeline keeps the clean corpus with a sample for each `kind`, image or pair; None: the run's own."""
    return "clean" if kind in (None, config.corpus.one_sample_per) else f"clean-{kind}"


def source_row(row: RowConfig, table: Sequence[RowConfig], base: ProtectConfig) -> RowConfig | None:
    """The row with the same settings whose published noise or triggers this row takes: MEM's for a part of MEM."""
    source = METHODS[row.method].fitted_as
    if not source:
        return None
    wanted = row.protect_config(base).model_copy(update={"method": source})
    same = (other for other in table if (other.corpus, other.fit_shards) == (row.corpus, row.fit_shards))
    return next((other for other in same if other.method == source and other.protect_config(base) == wanted), None)


def time_left(rows: Sequence[RowConfig], done: int, seconds: float, base: ProtectConfig, seeds: int) -> float:
    """Seconds that rows take from the `done`th on, by what those before took; 0.0 if there are none to go by.

    A row trains a victim for each seed; a fit counts as one more, what is not fitted as nothing.
    """
    work = [seeds + _fits(row, rows, base) for row in rows]
    return seconds * sum(work[done:]) / sum(work[:done]) if done else 0.0


def _fits(row: RowConfig, table: Sequence[RowConfig], base: ProtectConfig) -> bool:
    return source_row(row, table, base) is None and row.protect_config(base).recipe.needs_surrogate


def run_order(table: Sequence[RowConfig], base: ProtectConfig) -> list[RowConfig]:
    """The table's order, but those that take after those that give."""
    return sorted(table, key=lambda row: source_row(row, table, base) is not None)
