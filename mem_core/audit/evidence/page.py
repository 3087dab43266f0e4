"""Writes what a detection found: detection.json, and detection.html, one file that fetches nothing."""

from mem_core.audit.evidence.chart import coins_in_words, draw_coins
from mem_core.audit.evidence.commitment import Commitment
from mem_core.audit.evidence.detection import Detection, coins_of, detection_bytes, opened
from mem_core.audit.evidence.outcome import EvidenceOutcome, p_text
from mem_core.audit.evidence.scores import MEANING
from mem_core.common.formatting import printable
from mem_core.common.storage.folder import Folder, write_new
from mem_core.protect.coins import TwinKey
from mem_core.report.figures import png
from mem_core.report.templates import filled_page

DETECTION_PAGE, DETECTION_NAME = "detection.html", "detection.json"


def write_detection(
    folder: Folder, commitment: Commitment, detection: Detection, key: TwinKey, *, open_key: bool = False
) -> Detection:
    """The page last: a folder that has one has both. open_key: the key goes into the file, for others to check it.

    Raises `DestinationError` for a folder that has another's.
    """
    written = opened(detection, key) if open_key else detection
    page = detection_page(commitment, written, key)
    write_new(folder, {DETECTION_NAME: detection_bytes(written), DETECTION_PAGE: page})
    return written


def detection_page(commitment: Commitment, detection: Detection, key: TwinKey) -> bytes:
    """The HTML of the page; the key itself is not on it."""
    strongest = detection.outcome.strongest
    preferences, coins = detection.arrays[strongest.score], coins_of(commitment, key, detection.pairs)
    return filled_page(
        "audit/evidence/detection.html.j2",
        headline=detection_headline(detection.model.name, detection.outcome),
        commitment=commitment,
        detection=detection,
        outcome=detection.outcome,
        strongest=strongest,
        one_in=_one_in(detection.outcome.p),
        meaning=MEANING,
        p_text=p_text,
        picture=png(draw_coins(preferences, coins)),
        narrow=png(draw_coins(preferences, coins, narrow=True)),
        alt=coins_in_words(preferences, coins),
    )


def detection_headline(name: str, outcome: EvidenceOutcome) -> str:
    """The verdict in one sentence. name: of the model; it may be somebody else's, and goes to terminals."""
    name = printable(name)
    effect = outcome.strongest.effect
    guessed = f"{effect.right:,} of {effect.of:,} secret coins"
    if outcome.evidence:
        return (
            f"Evidence that {name} learned from what was published: it guesses {guessed}, "
            f"{100 * effect.share:.0f}\N{NO-BREAK SPACE}%, where a model that never saw the published versions guesses "
            f"half ({p_text(outcome.p)})."
        )
    return (
        f"No evidence that {name} learned from what was published: it guesses {guessed}, and fair coins give as much "
        f"often enough ({p_text(outcome.p)}). That is no evidence that it did not."
    )


def _one_in(p: float) -> str:
    """How rare it is, in words: `one in 3,200`."""
    times = 1 / p
    return f"one in {times:,.0f}" if times < 1e9 else f"one in {times:.0e}".replace("e+", " times 10 to the ")
