"""Figure 4: how the victims trained, and where an independent rerun of the authors' code went on the same way."""

from collections.abc import Iterator, Sequence

from mem_core.common.errors import SourceError
from mem_core.common.formatting import counted
from mem_core.experiments.reproduce.experiment import (
    Experiment,
    Shown,
    StudyPicture,
    Table,
    hits,
    ranked,
    report_inputs,
)
from mem_core.experiments.reproduce.rerun import IMAGES, RerunEpoch, RerunRun, read_rerun
from mem_core.experiments.reproduce.scale import PHOTOGRAPHS
from mem_core.experiments.reproduce.study import StudyResult
from mem_core.report.alt_texts import curves_in_words
from mem_core.report.figures import OtherCurve, Styles, draw_curves, png
from mem_core.report.tables import NOTHING
from mem_core.report.verdict import rank
from mem_core.victim.metrics import DIRECTIONS, RetrievalResult, summarise

_MEASURED = tuple(f"{what}, {when}" for when in ("last", "best") for what in ("epoch", "Hit@10", "Medr"))
_NOTES = (
    "Bare queries, image to text / text to image; ours: mean \N{PLUS-MINUS SIGN} standard deviation over victim seeds.",
    "Best, ours: the epoch chosen on held-out clean pairs. Best of the rerun: the one with the most hits in both "
    "directions together on its test images, as it has no others, which flatters it.",
    "The rerun's median rank is the floor of the median of ranks from 0, plus 1; ours is up to half a rank higher.",
)


def show_curves(experiment: Experiment, shown: Shown, dataset: str) -> Iterator[Table | StudyPicture | str]:
    """Training loss and test median ranks by epoch, then ours and the rerun's line by line, where the user has it."""
    inputs = report_inputs(shown, experiment.rows, dataset)
    if inputs is None:
        return
    try:
        runs = [run for run in read_rerun(shown.study.data) if run.dataset == dataset and shown.of(dataset, run.row)]
    except SourceError as error:
        yield f"The independent rerun is left out: {error}"
        runs = []
    figure = draw_curves(inputs, Styles(inputs.rows), [_curve(run) for run in runs])
    if figure is not None:
        caption = f"{dataset}: training loss and bare median ranks by epoch; seeds thin, their mean thick."
        more = " Thin and dashed, in the colour of its row: an independent rerun of the authors' code." if runs else ""
        yield StudyPicture(f"{experiment.name}-{dataset}", png(figure), caption + more, curves_in_words(inputs))
    if runs:
        yield _comparison(experiment, shown, dataset, runs)
        images = shown.of(dataset, runs[0].row)[0].evaluation.images
        if images != IMAGES[dataset]:
            yield (
                f"{dataset}: the rerun was queried with {IMAGES[dataset]:,} test images, these victims with "
                f"{images:,}: ranks and hits among another number of images do not compare."
            )


def _curve(run: RerunRun) -> OtherCurve:
    values = {
        f"{direction}_median_rank": {one.epoch: one.ranks[place] for one in run.epochs}
        for place, direction in enumerate(DIRECTIONS)
    }
    return OtherCurve(run.row, values)


def _comparison(experiment: Experiment, shown: Shown, dataset: str, runs: Sequence[RerunRun]) -> Table:
    """Each row of ours that was run again, at its last and best epoch, and the rerun's below it."""
    lines: list[tuple[str, ...]] = []
    for row in experiment.rows:
        again = [run for run in runs if run.row == row]
        if again:
            label, found = shown.study.row(row).label, shown.of(dataset, row)
            lines.append(
                (label, f"ours, {counted(len(found), 'seed')}", f"{found[0].evaluation.images:,}", *_ours(found))
            )
            lines += [(label, f"rerun {run.run}", f"{IMAGES[dataset]:,}", *_theirs(run)) for run in again]
    return Table(
        caption=f"{dataset}: beside an independent rerun of the authors' code",
        header=("training set", "whose", "test images", *_MEASURED),
        rows=tuple(lines),
        bold=tuple(place for place, line in enumerate(lines) if line[1].startswith("ours")),
        words=(1,),
        notes=_NOTES,
    )


def _ours(found: Sequence[StudyResult]) -> tuple[str, ...]:
    last = _measured([len(one.history) for one in found], [one.evaluation.bare for one in found])
    best = [one.evaluation.best for one in found if one.evaluation.best is not None]
    if len(best) < len(found):
        return (*last, *(NOTHING.mean for _ in last))
    return (*last, *_measured([one.epoch for one in best], [one.bare for one in best]))


def _measured(epochs: Sequence[int], results: Sequence[RetrievalResult]) -> tuple[str, str, str]:
    by_direction = [[result.direction(each) for result in results] for each in DIRECTIONS]
    found = " / ".join(hits(summarise([one.hit_at_10 for one in each])) for each in by_direction)
    ranks = " / ".join(ranked(summarise([one.median_rank for one in each])) for each in by_direction)
    return ", ".join(str(epoch) for epoch in dict.fromkeys(epochs)), found, ranks


def _theirs(run: RerunRun) -> tuple[str, ...]:
    return tuple(text for one in (run.epochs[-1], run.best) for text in _printed(one))


def _printed(one: RerunEpoch) -> tuple[str, str, str]:
    return str(one.epoch), " / ".join(f"{hit:.1f}" for hit in one.hits), " / ".join(rank(each) for each in one.ranks)


FIGURE4 = Experiment(
    name="figure4",
    title="Figure 4: how the victims trained",
    about="A training loss that falls fast while the test ranks stay high is the shortcut at work.",
    rows=("clean", "random-trigger", "em", "em-16x-less", "uap", "mem-3", "mem-5"),
    show=show_curves,
    datasets=PHOTOGRAPHS,
)
