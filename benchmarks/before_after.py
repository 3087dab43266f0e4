"""The picture of README.md: drawn scenes, clean, protected at the preset `cpu`, and their difference times 16.

python -m benchmarks.before_after        # about five minutes on a CPU; writes docs/screenshots/before-after.jpg
"""

import io
import tarfile
import tempfile
from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

from flows.cli.app import app
from mem_core.data.synthetic.shapes_corpus import draw_corpus

_PICTURE = Path(__file__).parents[1] / "docs/screenshots/before-after.jpg"
_SHOWN = ("000000003", "000000008", "000000015", "000000030")
_COMMANDS = (("shard", "source", "corpus"), ("protect", "corpus/train", "protected"))


def made(folder: Path) -> tuple[Path, Path]:
    """The clean and the protected tar of 60 drawn scenes."""
    draw_corpus(folder / "source", 60, 0, 256, 20)
    for command, *places in _COMMANDS:
        paths = [str(folder / place) for place in places]
        found = CliRunner().invoke(app, [command, *paths, "--preset", "cpu", "--no-server"], catch_exceptions=False)
        assert found.exit_code == 0, found.output
    return folder / "corpus/train/00000.tar", folder / "protected/00000.tar"


def drawn(clean_tar: Path, protected_tar: Path) -> Figure:
    """A column for each scene: its two captions above, then the three pictures."""
    figure = Figure(figsize=(12, 9.6), layout="constrained")
    axes = figure.subplots(3, len(_SHOWN))
    with tarfile.open(clean_tar) as clean, tarfile.open(protected_tar) as protected:
        for column, key in enumerate(_SHOWN):
            before, after = _pixels(clean, key), _pixels(protected, key)
            change = np.clip(128 + 16 * (after.astype(int) - before), 0, 255).astype(np.uint8)
            for row, pixels in enumerate((before, after, change)):
                axes[row, column].imshow(pixels)
                axes[row, column].set_xticks([])
                axes[row, column].set_yticks([])
            plain, changed = _caption(clean, key), _caption(protected, key)
            axes[0, column].set_title("\n".join(wrap(plain, 30)), fontsize=11)
            axes[1, column].set_title("\n".join(wrap(changed, 30)), fontsize=11)
    for row, name in enumerate(("clean", "protected", "difference x 16")):
        axes[row, 0].set_ylabel(name, fontsize=12)
    return figure


def _pixels(tar: tarfile.TarFile, key: str) -> np.ndarray:
    name = next(name for name in tar.getnames() if name.startswith(key) and not name.endswith((".txt", ".json")))
    return np.asarray(Image.open(io.BytesIO(_member(tar, name))).convert("RGB"))


def _caption(tar: tarfile.TarFile, key: str) -> str:
    return _member(tar, f"{key}.txt").decode().strip()


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawn(*made(Path(folder))).savefig(_PICTURE, dpi=110, pil_kwargs={"quality": 90})
    print(f"written: {_PICTURE}")


if __name__ == "__main__":
    main()
