"""What a study has to show so far: report.html, report.md, report.json and pictures/*.png, from the results alone."""

import json
from collections.abc import Iterable, Sequence

import yaml

from mem_core import __version__
from mem_core.common.formatting import counted, markdown_table
from mem_core.common.storage.folder import Folder, write_bytes
from mem_core.config import Frozen
from mem_core.experiments.reproduce.experiment import Section, Shown, Table
from mem_core.experiments.reproduce.run import StudyPlan
from mem_core.experiments.reproduce.scale import StudyScale
from mem_core.experiments.reproduce.study import Study
from mem_core.report.templates import filled_page
from mem_core.victim.metrics import without_draws


class StudyReport(Frozen):
    """A finished page. done, total: cells measured of those planned."""

    page: str
    markdown: str
    done: int
    total: int
    sections: tuple[str, ...]


def write_study(study: Study, plan: StudyPlan, out: Folder) -> StudyReport:
    """Shows every experiment of the plan that has results. The page is written last."""
    results = [result for cell in plan.cells if (result := study.result(cell)) is not None]
    shown = Shown(study, tuple(results))
    sections = [section for each in plan.experiments if (section := each.section(shown)) is not None]
    headline = _headline(len(results), len(plan.cells), study.scale.seeds)
    for section in sections:
        for picture in section.pictures:
            write_bytes(out, f"pictures/{picture.name}.png", picture.png)
    data = {
        "format": 1,
        "version": __version__,
        "scale": study.scale.model_dump(mode="json"),
        "missing": plan.missing,
        "sections": [_plain(section) for section in sections],
        "cells": without_draws([result.model_dump(mode="json") for result in results]),
    }
    write_bytes(out, "report.json", (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())
    write_bytes(out, "report.md", _markdown(study, sections, headline).encode())
    page = study_page(study.scale, headline, plan.missing.values(), sections)
    write_bytes(out, "report.html", page)
    names = tuple(section.name for section in sections)
    return StudyReport(
        page="report.html", markdown="report.md", done=len(results), total=len(plan.cells), sections=names
    )


def study_page(scale: StudyScale, headline: str, missing: Iterable[str], sections: Sequence[Section]) -> bytes:
    """The HTML of the page. missing: why an experiment is left out, a sentence each."""
    return filled_page(
        "report/study.html.j2",
        scale=scale,
        headline=headline,
        missing=list(missing),
        sections=sections,
        settings=yaml.safe_dump(scale.model_dump(mode="json"), sort_keys=False),
    )


def _headline(done: int, total: int, seeds: int) -> str:
    if done == total:
        which = "The only cell is" if total == 1 else f"All {total} cells are"
        return f"{which} measured, {counted(seeds, 'victim seed')} each."
    verb = "is" if done == 1 else "are"
    return f"{done} of {counted(total, 'cell')} {verb} measured so far; rows without a figure are still to come."


def _plain(section: Section) -> dict[str, object]:
    return {
        "name": section.name,
        "title": section.title,
        "tables": [table.model_dump(mode="json") for table in section.tables],
        "pictures": {picture.name: picture.caption for picture in section.pictures},
        "notes": section.notes,
    }


def _markdown(study: Study, sections: list[Section], headline: str) -> str:
    """The same page as plain text for a repository; pictures by name."""
    lines = [f"# The paper, reproduced at scale `{study.scale.name}`", "", f"{study.scale.about}. {headline}", ""]
    for section in sections:
        lines += [f"## {section.title}", "", section.about, ""]
        for table in section.tables:
            lines += _table(table)
        for picture in section.pictures:
            lines += [f"![{picture.caption}](pictures/{picture.name}.png)", ""]
        lines += [line for note in section.notes for line in (note, "")]
    return "\n".join(lines).rstrip() + "\n"


def _table(table: Table) -> list[str]:
    rows = [
        [
            f"**{text}**" if number in table.marked or (place in table.bold and number == 0) else text
            for number, text in enumerate(row)
        ]
        for place, row in enumerate(table.rows)
    ]
    notes = [line for note in table.notes for line in (note, "")]
    return [f"**{table.caption}**", "", markdown_table(table.header, rows), "", *notes]
