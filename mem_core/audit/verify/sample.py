"""What has to hold for one published sample, compared with its clean one."""

from collections.abc import Callable, Iterator
from typing import Any

from mem_core.common.errors import ImageError
from mem_core.common.storage.hashing import sha256_bytes
from mem_core.config.methods import METHODS
from mem_core.config.protect import QualityConfig
from mem_core.data.image_metadata import NOTE, carried
from mem_core.data.image_quality import keeps_floors, psnr, ssim
from mem_core.data.images import Picture, audit_image, decode_image
from mem_core.data.origin import origin_of
from mem_core.data.receipt import Receipt
from mem_core.data.sample_metadata import BLOCK, UNPROTECTED, published_metadata
from mem_core.data.shard import Broken, Sample
from mem_core.data.table import SampleRow
from mem_core.models.placement import in_order, placed, standing

# Captions to token ids, array-like int64 [N, T]: start token first, then the words.
Tokenize = Callable[[list[str]], Any]

_JOINED = {"front": "and", "end": "at the end of", "inside": "at its places in", "replace": "in place of words of"}


class SampleCheck:
    """The rules of one shard, from its receipt. levels: the largest noise; max_pixels: of images that are decoded."""

    def __init__(self, receipt: Receipt, tokenize: Tokenize, max_pixels: int) -> None:
        self._receipt = receipt
        self._tokenize = tokenize
        self.max_pixels = max_pixels
        row = METHODS.get(receipt.method)  # None for what another version made: as the receipt says
        self.levels = 0 if row and not row.adds_noise else receipt.epsilon_levels
        self._note = receipt.metadata.note if receipt.metadata is not None else "sidecar"
        wordless = row and not (row.adds_trigger or row.chooses_trigger)
        self._trigger_length = 0 if wordless else receipt.trigger_length

    def lacks_noise(self, row: SampleRow) -> bool:
        """Whether the method adds noise and this protected image has none, as can happen to an image of one pixel."""
        return bool(self.levels) and row.status == "protected" and not row.max_abs_difference

    def row_problems(self, clean: Sample | Broken, row: SampleRow) -> Iterator[str]:
        """What a row says about the clean sample that is wrong."""
        if isinstance(clean, Broken):
            if row.status != "failed":
                yield f"recorded as {row.status}, but the clean sample is broken: {clean.reason}"
        elif row.sha256_in and row.sha256_in != sha256_bytes(clean.image):
            yield f"hash: the clean image has SHA-256 {sha256_bytes(clean.image)[:12]}, the table {row.sha256_in[:12]}"
        elif not row.sha256_in and row.status != "failed":
            yield "hash: the table has no SHA-256 of the clean image"

    def problems(self, clean: Sample, published: Sample, row: SampleRow) -> Iterator[str]:
        """What is wrong with a published sample."""
        if row.sha256_out != sha256_bytes(published.image):
            yield f"hash: the image has SHA-256 {sha256_bytes(published.image)[:12]}, the table {row.sha256_out[:12]}"
        if row.status == "passthrough" and self._receipt.passthrough == "file":
            yield from _unchanged(clean, published)
            return
        changed = row.status == "protected"
        yield from self._image(clean, published, row, self._budget(row) if changed else 0)
        if row.status == "passthrough":
            yield from self._unprotected_mark(published)
        if changed:
            yield from self._block(published, row)
        if changed and self._trigger_length:
            yield from self._captions(clean, published, row)
        elif published.captions != clean.captions:
            yield "captions differ from the clean ones, though nothing was to be put into them"
        if row.caption != published.captions[0]:
            yield f"the table has caption {_short(row.caption)}, the tar {_short(published.captions[0])}"
        kept = {name: value for name, value in published.metadata.items() if name != BLOCK}
        expected = published_metadata(clean, published.captions, self._receipt.metadata)
        if kept != {name: value for name, value in expected.items() if name != BLOCK}:
            yield "metadata are not the clean ones (less those that are private or repeat a clean caption)"
        policy = self._receipt.metadata
        if policy is not None and policy.origin == "strip" and (row.name, row.origin) != origin_of(clean):
            yield "name and origin in the table are not those that the clean metadata lead to"

    def _image(self, clean: Sample, published: Sample, row: SampleRow, levels: int) -> Iterator[str]:
        try:
            picture = decode_image(clean.image, max_pixels=self.max_pixels)
        except ImageError as error:
            yield f"recorded as {row.status}, but the clean image is broken: {error}"
            return
        if (row.width, row.height) != (picture.width, picture.height):
            yield f"the table has {row.width} x {row.height}, the clean image {picture.width} x {picture.height}"
        if row.status != "clean":
            if published.extension not in ("png", "webp"):
                yield f"expected a lossless .png or .webp, got .{published.extension}"
            yield from self._carried(published, noted=self._note == "file" and row.status == "protected")
        yield from _audit(picture, published.image, levels, row)
        if row.status == "protected":
            yield from self._quality(picture, published, row)

    def _budget(self, row: SampleRow) -> int:
        """The largest noise of a protected sample, in uint8 levels."""
        return min(row.backed_off_to, self.levels) if row.backed_off_to else self.levels

    def _quality(self, clean: Picture, published: Sample, row: SampleRow) -> Iterator[str]:
        """The floors of the receipt hold for the pixels themselves, and no noise was scaled back without one."""
        floors = self._receipt.quality
        if floors == QualityConfig():
            if row.backed_off_to:
                yield f"noise was scaled back to {row.backed_off_to} levels, but the receipt has no quality budget"
            return
        try:
            shown = decode_image(published.image, max_pixels=self.max_pixels).pixels
        except ImageError:
            return  # reported by the audit
        if shown.shape == clean.pixels.shape:
            near, alike = psnr(clean.pixels, shown), ssim(clean.pixels, shown)
            if not keeps_floors(near, alike, floors):
                yield f"PSNR {near:.2f} dB and SSIM {alike:.4f} are below the receipt's quality budget"

    def _carried(self, published: Sample, *, noted: bool) -> Iterator[str]:
        """The file carries pixels and colour, and a note if the policy says so."""
        found, expected = carried(published.image), (f"note: {NOTE}",) if noted else ()
        if found != expected:
            names = ", ".join(_short(name) for name in found) or "nothing"
            yield f"expected {'a note' if noted else 'nothing'} besides pixels and colour in the file, got {names}"

    def _block(self, published: Sample, row: SampleRow) -> Iterator[str]:
        """The "memshield" entry of key.json against receipt and table."""
        block = published.metadata.get(BLOCK)
        if self._note == "off":
            if block is not None:
                yield f"expected no {BLOCK} entry in key.json: the note is switched off"
            return
        if not isinstance(block, dict):
            yield f"expected a {BLOCK} entry in key.json, got none"
            return
        expected: dict[str, Any] = {
            "method": self._receipt.method,
            "epsilon_levels": self._receipt.epsilon_levels,
            "max_abs_difference": row.max_abs_difference,
        }
        if "trigger" in block or self._receipt.vocabulary == "all":
            expected["trigger"] = row.trigger
        for name, value in expected.items():
            if block.get(name) != value:
                yield f"{name} is {block.get(name)!r} in key.json, but {value!r} in the table or receipt"
        known = (self._receipt.note or self._receipt.config_fingerprint, self._receipt.protector)
        if block.get("fingerprint") not in known:
            yield "fingerprint in key.json is neither the receipt's config nor its protector"
        if not self._trigger_length and (block.get("trigger") or block.get("trigger_ids")):
            yield f"expected no trigger for method {self._receipt.method}, got {block.get('trigger')!r}"

    def _unprotected_mark(self, published: Sample) -> Iterator[str]:
        """key.json says of what passed through that nothing was done to it, unless the note is switched off."""
        block = published.metadata.get(BLOCK)
        if self._note == "off" and block is not None:
            yield f"expected no {BLOCK} entry in key.json: the note is switched off"
        elif self._note != "off" and (not isinstance(block, dict) or block.get("method") != UNPROTECTED):
            yield f"passed through, but its {BLOCK} entry in key.json does not say method {UNPROTECTED!r}"

    def _captions(self, clean: Sample, published: Sample, row: SampleRow) -> Iterator[str]:
        """Caption = the original with the trigger words in their places, and tokenised it has exactly their ids."""
        if len(published.captions) != len(clean.captions):
            yield f"expected {len(clean.captions)} captions, got {len(published.captions)}"
            return
        if not row.trigger:
            yield "expected a trigger, got none"
            return
        for number, (before, after) in enumerate(zip(clean.captions, published.captions, strict=True), start=1):
            if after != placed(row.trigger.split(" "), before, self._receipt.placement):
                wanted = f"the trigger {row.trigger!r} {_JOINED[self._receipt.placement]} {_short(before)}"
                yield f"caption {number} is {_short(after)}, expected {wanted}"
        ids = self._trigger_ids(published, row)
        if not isinstance(ids, list) or not all(type(token) is int for token in ids):
            yield "expected trigger_ids in key.json, a list of whole numbers"
        elif len(ids) != self._trigger_length:
            yield f"expected {self._trigger_length} trigger ids, got {len(ids)}"
        elif self._receipt.vocabulary != "all":  # the paper's ids: a third of them do not survive as text
            yield from self._tokens(published.captions, ids)
        elif self._receipt.placement != "front":
            words, told = row.trigger.split(" "), published.metadata.get(BLOCK, {}).get("trigger_places")
            places = [standing(words, caption, self._receipt.placement)[1] for caption in clean.captions]
            if told != places:
                yield f"trigger_places is {told} in key.json, but the words of the captions begin at {places}"

    def _trigger_ids(self, published: Sample, row: SampleRow) -> object:
        """As recorded in key.json (ids that text does not keep; versions before 0.3.0), else from the text."""
        block = published.metadata.get(BLOCK)
        if isinstance(block, dict) and ("trigger_ids" in block or self._receipt.vocabulary == "all"):
            return block.get("trigger_ids")
        words, nothing = ([int(token) for token in row] for row in self._tokenize([row.trigger, ""]))
        return words[1 : words.index(nothing[1])]

    def _tokens(self, captions: tuple[str, ...], ids: list[int]) -> Iterator[str]:
        front = self._receipt.placement == "front"
        for number, row in enumerate(self._tokenize(list(captions)), start=1):
            tokens = [int(token) for token in row]
            if front and tokens[1 : 1 + len(ids)] != ids:
                yield f"tokens of caption {number} begin with {tokens[1 : 1 + len(ids)]}, expected the trigger's {ids}"
            elif not front and not in_order(ids, tokens):
                yield f"tokens of caption {number} are {tokens}, expected the trigger's {ids} among them, in this order"


def _audit(clean: Picture, published: bytes, levels: int, row: SampleRow) -> Iterator[str]:
    try:
        worst = audit_image(clean, published, levels)
    except ImageError as error:
        yield str(error)
        return
    if worst != row.max_abs_difference:
        yield f"the largest difference is {worst}, the table says {row.max_abs_difference}"


def _unchanged(clean: Sample, published: Sample) -> Iterator[str]:
    if (clean.image, clean.extension) != (published.image, published.extension):
        yield "passed through, but the image is not the clean one"
    if clean.captions != published.captions:
        yield "passed through, but the captions are not the clean ones"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
