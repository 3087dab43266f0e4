"""Row dependencies: a row runs after the row it reuses."""

from collections.abc import Sequence

from mem_core.config import ProtectConfig
from mem_core.config.methods import METHODS
from mem_core.experiments.config import RowConfig, RunConfig


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
