"""Every training set of the study by name. A row says only what it changes: the rest is the scale's."""

from typing import Any

from mem_core.config import Method, ProtectConfig, merge
from mem_core.experiments.config import RowConfig
from mem_core.experiments.reproduce.scale import OWN

RERUN_ROWS = {"em": "em-16x-less"}
"""Method of the independent rerun -> our row, where it is not of that name: the authors' EM is the short one."""

_LENGTH_3, _LENGTH_5 = {"trigger": {"length": 3}}, {"trigger": {"length": 5}}
_NO_CROP: dict[str, Any] = {"noise": {"views": "centre"}}
_CENTRE = {"views": "centre"}
_IN_CAPTIONS = {"trigger": {"length": 3, "vocabulary": "words", "placement": "replace", "source": "captions"}}


def study_rows(
    base: ProtectConfig, fluent: dict[str, Any] | None = None, faces: dict[str, Any] | None = None
) -> dict[str, RowConfig]:
    """All rows that experiments may name; some steps depend on those of the scale.

    fluent, faces: what the scale lays on the rows with fluent words, and on those of the face case.
    """
    reads_well = merge(_LENGTH_3, {"trigger": {"proposals": "masked-lm", **(fluent or {"language_model": "own"})}})
    rows = [
        RowConfig(name="untrained", method="clean", label="Random (untrained)", victim={"epochs": 0}),
        RowConfig(name="clean", method="clean", label="Clean"),
        _row("random-noise", "random-noise", "Random noise"),
        _row("constant-trigger", "constant-trigger", "Constant prefix", _LENGTH_3),
        _row("random-trigger", "random-trigger", "Random words", _LENGTH_3),
        _short_em(base),
        _row("em", "em", "EM, equal compute"),
        _row("uap", "uap", "UAP", {"surrogate": {"checkpoint": OWN}}),
        _row("mem-3", "mem", "MEM-3", _LENGTH_3),
        _row("mem-5", "mem", "MEM-5", _LENGTH_5),
        _row("trigger-only", "trigger-only", "MEM-3, trigger words only", _LENGTH_3),
        _row("noise-only", "noise-only", "MEM-3, noise only", _LENGTH_3),
        _row("mem-3-matched", "mem", "MEM-3, true surrogate captions", _surrogate("matched")),
        _row("mem-3-shuffled", "mem", "MEM-3, shuffled surrogate captions", _surrogate("shuffled")),
        _row("mem-3-own-captions", "mem", "MEM-3, HotFlip on own captions", _trigger(captions="own")),
        _row("mem-3-one-gradient", "mem", "MEM-3, one gradient for all words", _trigger(gradient="once")),
        _row("mem-3-end", "mem", "MEM-3, trigger words at the end", _trigger(placement="end")),
        _row("mem-3-inside", "mem", "MEM-3, trigger words inside", _trigger(placement="inside")),
        _row("mem-3-replay", "mem", "MEM-3, replayed from the first shard", _LENGTH_3, fit_shards=1),
        _row("mem-3-independent", "mem", "MEM-3, each shard independent", _LENGTH_3 | {"strategy": "independent"}),
        _row("mem-3-4-rounds", "mem", "MEM-3, 4 rounds", _LENGTH_3 | {"rounds": 4}),
        _row("mem-3-fluent", "mem", "MEM-3, fluent trigger words", reads_well),
        _row("fluent-words", "trigger-only", "MEM-3, fluent trigger words only", reads_well),
        _row("faces-mem-3", "mem", "MEM-3, pretrained surrogate", merge(_LENGTH_3, faces or {})),
        _row("faces-mem-5", "mem", "MEM-5, pretrained surrogate", merge(_LENGTH_5, faces or {})),
        _row(
            "faces-words",
            "trigger-only",
            "MEM-3, trigger words only, pretrained surrogate",
            merge(_LENGTH_3, faces or {}),
        ),
        _row("mem-3-20-rounds", "mem", "MEM-3, 20 rounds", _LENGTH_3 | {"rounds": 20}),
        _row("codebook", "codebook", "Codebook, words in front", _LENGTH_3),
        _row("codebook-replace", "codebook", "Codebook, words replaced", _IN_CAPTIONS),
        _row("clean-no-crop", "clean", "Clean, no crop", victim=_CENTRE),
        _row("em-no-crop", "em", "EM, no crop", _NO_CROP, victim=_CENTRE),
        _row("mem-3-no-crop", "mem", "MEM-3, no crop", _LENGTH_3 | _NO_CROP, victim=_CENTRE),
        _row("em-uncropped-noise", "em", "EM, crop in the victim alone", _NO_CROP),
    ]
    for kind, words in (("image", "an image"), ("pair", "a pair")):
        rows += [
            RowConfig(name=f"clean-{kind}", method="clean", label=f"Clean, {words}", corpus=kind),
            _row(f"random-trigger-{kind}", "random-trigger", f"Random words, {words}", _LENGTH_3, corpus=kind),
            _row(f"em-{kind}", "em", f"EM, one noise {words}", corpus=kind),
            _row(f"mem-3-{kind}", "mem", f"MEM-3, one noise {words}", _LENGTH_3, corpus=kind),
            _row(f"trigger-only-{kind}", "trigger-only", f"MEM-3, trigger words only, {words}", _LENGTH_3, corpus=kind),
        ]
    return {row.name: row for row in rows}


def _row(name: str, method: Method, label: str, protect: dict[str, Any] | None = None, **more: Any) -> RowConfig:
    return RowConfig(name=name, method=method, label=label, protect=protect or {}, **more)


def _short_em(base: ProtectConfig) -> RowConfig:
    """EM with a sixteenth of the surrogate's steps in a quarter of the rounds, as its authors ran it: 5 rounds of 50
    steps against MEM's 20 of 200. The steps of PGD in a round are MEM's, in their code as here."""
    rounds = max(1, round(base.rounds / 4))
    whole = base.surrogate.steps_per_round
    whole = whole if isinstance(whole, int) else whole.most
    steps = max(1, round(base.rounds * whole / (16 * rounds)))
    changed = {"rounds": rounds, "surrogate": {"steps_per_round": steps}}
    return _row("em-16x-less", "em", f"EM, 1/16 of the steps ({rounds} x {steps})", changed)


def _trigger(**changes: Any) -> dict[str, Any]:
    return merge(_LENGTH_3, {"trigger": changes})


def _surrogate(captions: str) -> dict[str, Any]:
    return _LENGTH_3 | {"surrogate": {"captions": captions}}
