"""The samples whose noise is most visible, as one sheet and one page, to look at before anything is uploaded."""

from collections.abc import Sequence

from mem_core.common.errors import SourceError
from mem_core.common.storage.folder import Folder, write_new
from mem_core.config.base import Frozen
from mem_core.report.gather import pick_samples, summarise_protection
from mem_core.report.inputs import MontageItem
from mem_core.report.pictures import AMPLIFY, contact_sheet
from mem_core.report.templates import filled_page

_PAGE, _SHEET = "preview.html", "preview.png"


class Preview(Frozen):
    """What was written, by name, and the lowest visibility numbers of the corpus; samples: keys, worst first.

    (A field called `keys` would make a mapping of it for everyone who asks, Prefect among them.)
    """

    page: str = _PAGE
    sheet: str = _SHEET
    samples: tuple[str, ...]
    psnr: tuple[float | None, ...]
    ssim: tuple[float | None, ...]


def write_preview(clean: Folder, protected: Folder, out: Folder, samples: int) -> Preview:
    """Writes preview.png and, last, preview.html. Raises SourceError without noise, DestinationError for an `out`
    with another preview, MismatchError, ImageError."""
    _, worst = pick_samples(clean, protected, montage=0, worst=samples)
    if not worst:
        raise SourceError(f"expected samples with noise to show in {protected.uri}, but it has none")
    protected_samples = summarise_protection(protected).counts.get("protected", 0)
    page = preview_page(worst, protected_samples, protected.uri)
    write_new(out, {_SHEET: contact_sheet(worst[:8]), _PAGE: page})
    return Preview(
        samples=tuple(item.key for item in worst),
        psnr=tuple(item.psnr for item in worst),
        ssim=tuple(item.ssim for item in worst),
    )


def preview_page(worst: Sequence[MontageItem], protected: int, address: str) -> bytes:
    """The HTML of the page: the most visible samples, of how many, and of which corpus."""
    return filled_page("report/preview.html.j2", samples=worst, protected=protected, address=address, amplify=AMPLIFY)
