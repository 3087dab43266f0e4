"""What came of a whole run, on one page in Prefect's UI: what is said, tables, figures, and where everything lies.

The figures are inside: a browser opens no files of a worker. Outside of a run nothing is made.
"""

import base64
import re
import socket
from collections.abc import Iterable, Mapping, Sequence

from prefect.artifacts import create_markdown_artifact

from mem_core.audit.stress.page import StressReport, stress_headline, stress_markdown
from mem_core.common.errors import MemshieldError
from mem_core.common.formatting import counted, markdown_table
from mem_core.common.storage.folder import Folder, read_bytes
from mem_core.config.methods import METHODS
from mem_core.data.image_quality import summarise_quality
from mem_core.data.table import read_rows
from mem_core.experiments.config import RowConfig
from mem_core.experiments.reproduce import StudyReport
from mem_core.protect.shard_summary import ShardSummary
from mem_core.report import ReportSummary
from mem_core.report.gather import pick_samples
from mem_core.report.pictures import AMPLIFY, contact_sheet
from tasks.artifacts import ROWS, artifact_key, report_markdown
from tasks.storage import address_below, open_folder, web_address
from tasks.this_run import in_run
from tasks.workspace import ProtectJob

_PICTURE_BYTES = 2_000_000  # of all pictures on a page: above that a page gets slow
_FIGURES = {
    "pictures/shares.png": "Median rank of trained models in percent of chance, for every training set",
    "pictures/montage.png": "Clean, protected, and their difference times 16",
}
_NIGHT_HEADER = ("shard", "state", "samples protected", "failed", "least PSNR", "least SSIM", "what")
_UNKNOWN = ("-",) * 4  # of a shard that was not made
_NIGHT_SAMPLES, _NIGHT_SIDE = 3, 112  # samples, pixels a side: a page is kept for each of 90 nights
_NIGHT_ABOUT = (
    f"*From top to bottom clean, protected, and the difference times {AMPLIFY}; of large pictures the middle.*"
)
_PICTURE = re.compile(r"!\[([^]]*)\]\(([^)\s]+\.png)\)")


def page_link(page: str) -> str:
    """The address of a page for a terminal, most of which open such."""
    return page if "://" in page else f"file://{page}"


def to_publish(dest: str, rows: Iterable[RowConfig]) -> dict[str, str]:
    """Row -> the address of its protected corpus, of those rows of a pipeline that are made to be published."""
    methods = (row.name for row in rows if METHODS[row.method].kind == "method")
    return {name: address_below(dest, f"rows/{name}/protected") for name in methods}


def show_report(dest: str, summary: ReportSummary) -> None:
    """The verdict, the table of all rows and the figures of DEST/report."""
    if in_run():
        _show("report", dest, summary.verdict.headline, _of_report(dest, summary, {}))


def show_pipeline(dest: str, summary: ReportSummary, rows: tuple[RowConfig, ...]) -> None:
    """The same for the run of a whole pipeline, with the corpora that it made."""
    if in_run():
        made = {f"{name}: its .tar files are what to hand out": place for name, place in to_publish(dest, rows).items()}
        _show("pipeline", dest, summary.verdict.headline, _of_report(dest, summary, made))


def show_stress(out: str, page: str, report: StressReport) -> None:
    """The table of a stress test, worst case first, and its figure."""
    if in_run():
        said = stress_headline(report.findings)
        figure = "![Protection left after each attack](stress.png)"
        text = f"**{said}**\n\n{stress_markdown(report.findings)}\n\n{figure}\n\n{_places({'the page': page})}"
        _show("stress", out, said, with_pictures(text, open_folder(out)))


def show_study(dest: str, report: StudyReport) -> None:
    """Every table and figure that a study has so far."""
    if in_run():
        out = open_folder(dest).below("report")
        text = read_bytes(out, report.markdown).decode()
        page = _places({"the page, with all settings": address_below(out.uri, report.page)})
        said = f"{report.done} of {report.total} cells measured"
        _show("study", dest, said, f"{with_pictures(text, out)}\n\n{page}")


def show_night(
    job: ProtectJob, said: str, done: Sequence[ShardSummary], failed: Mapping[str, str], differing: Mapping[str, str]
) -> None:
    """What came of a night: its shards, the samples that changed most visibly, and where everything lies.

    said: all that in one line. failed, differing: shard -> why; the latter are kept as they were.
    """
    if not in_run():
        return
    new = sorted(done, key=lambda summary: summary.shard)[:ROWS]
    try:
        least = {summary.shard: _least(job.dest, summary.shard) for summary in new}
        seen = _most_visible(job, {shard: psnr for shard, (psnr, _) in least.items() if psnr is not None})
    except (MemshieldError, OSError) as error:  # all is done and listed: a page must not fail a night
        least, seen = {}, f"Least PSNR and SSIM, and pictures, could not be had: {error}"
    rows: list[tuple[str, ...]] = [(shard, "failed", *_UNKNOWN, why) for shard, why in sorted(failed.items())]
    rows += [_new_shard(summary, *least.get(summary.shard, (None, None))) for summary in new]
    rows += [(shard, "left as it was", *_UNKNOWN, why) for shard, why in sorted(differing.items())]
    left = len(failed) + len(done) + len(differing) - len(rows[:ROWS])
    table = markdown_table(_NIGHT_HEADER, rows[:ROWS]) if rows else ""
    more = f"and {counted(left, 'shard')} more: `memshield status {job.dest}` knows of all" if left else ""
    places = _places({"the corpus: its .tar files are what to hand out": job.dest, "the clean corpus": job.clean})
    _show("night", job.dest, said, "\n\n".join(filter(None, (f"**{said}**", table, more, seen, places))))


def _new_shard(shard: ShardSummary, psnr: float | None, ssim: float | None) -> tuple[str, ...]:
    counts = [str(shard.counts.get(status, 0)) for status in ("protected", "failed")]
    others = [f"{n} {status}" for status, n in sorted(shard.counts.items()) if status not in ("protected", "failed")]
    largest = f"largest difference {shard.max_abs_difference}/255"
    what = ", ".join([*others, "made by another run in the meantime" if shard.repeated else largest])
    shown = ("-" if psnr is None else f"{psnr:.1f} dB", "-" if ssim is None else f"{ssim:.3f}")
    return (shard.shard, "new", *counts, *shown, what)


def _least(dest: str, shard: str) -> tuple[float | None, float | None]:
    """The least PSNR and SSIM of a shard, as its table has them."""
    rows = [row for row in read_rows(open_folder(dest), shard) if row.status == "protected"]
    psnr, ssim = (summarise_quality(values) for values in ([row.psnr for row in rows], [row.ssim for row in rows]))
    return (psnr.lowest if psnr else None, ssim.lowest if ssim else None)


def _most_visible(job: ProtectJob, psnr: Mapping[str, float]) -> str:
    """The samples of a night that changed most, of the one shard with the least PSNR: no other tar is read."""
    if not psnr:
        return ""
    shard = min(psnr, key=lambda name: (psnr[name], name))
    folders = open_folder(job.clean), open_folder(job.dest)
    _, worst = pick_samples(*folders, montage=0, worst=_NIGHT_SAMPLES, shards=[shard])
    sheet = contact_sheet(worst, side=_NIGHT_SIDE)
    return f"{_inside(f'Most visible of shard {shard}: clean, protected, difference', sheet)}\n\n{_NIGHT_ABOUT}"


def with_pictures(markdown: str, folder: Folder) -> str:
    """Markdown with the pictures of a folder inside, as long as they fit; a name in place of the others."""
    left = _PICTURE_BYTES

    def inside(found: re.Match[str]) -> str:
        nonlocal left
        caption, name = found.groups()
        data = read_bytes(folder, name) if folder.exists(name) else b""
        if not data or len(data) > left:
            return f"{caption}: {placed(address_below(folder.uri, name))}"
        left -= len(data)
        return _inside(caption, data)

    return _PICTURE.sub(inside, markdown)


def _inside(caption: str, png: bytes) -> str:
    return f"![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})"


def placed(address: str) -> str:
    """An address in Markdown: a link to an object in a store, a path as text, with the machine whose path it is."""
    link = web_address(address)
    return f"[{address}]({link})" if link else f"`{address}` on {socket.gethostname()}"


def _of_report(dest: str, summary: ReportSummary, made: Mapping[str, str]) -> str:
    out = open_folder(dest).below("report")
    figures = [f"![{caption}]({name})" for name, caption in _FIGURES.items() if name in summary.pictures]
    places = _places({**made, "the report, one file": address_below(out.uri, summary.page), "everything": dest})
    text = report_markdown(summary.findings, summary.verdict)
    return with_pictures("\n\n".join((text, *figures, places)), out)


def _places(what: Mapping[str, str]) -> str:
    return markdown_table(("what", "where"), [(name, placed(address)) for name, address in what.items()])


def _show(kind: str, address: str, said: str, markdown: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(kind, address), description=said)
