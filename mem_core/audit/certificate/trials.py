"""The trials of a certificate: from the cells of a stress test, and from trained and evaluated victims."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mem_core.audit.certificate.certificate import Trial
from mem_core.audit.stress.attacks import AS_PUBLISHED
from mem_core.audit.stress.cells import StressResult
from mem_core.audit.stress.findings import missing_for_attack, protection_left, stressed_victims
from mem_core.common.errors import MismatchError, SourceError
from mem_core.common.storage.folder import Folder
from mem_core.config import fingerprint
from mem_core.report.claims import Victims, how_trained, missing_for, victims_of
from mem_core.report.intervals import AtEpoch, Estimate
from mem_core.victim.config import VictimConfig
from mem_core.victim.record import read_victim
from mem_core.victim.result import Evaluation, read_evaluation


def trials_of_cells(cells: Iterable[StressResult]) -> list[Trial]:
    """One trial an attack, beside protected victims its clean ones, or those of the attack that lends it some."""
    by_attack: dict[tuple[str, str], list[StressResult]] = {}
    for result in sorted(cells, key=lambda r: r.cell.seed):
        by_attack.setdefault((result.cell.attack.name, result.cell.trained_on), []).append(result)
    trials = []
    for (name, trained_on), ours in sorted(by_attack.items()):
        if trained_on == "protected":
            attack = ours[0].cell.attack
            theirs = by_attack.get((name, "clean")) or by_attack.get((attack.control, "clean"), [])
            measured = [_Victim(r.victim, r.cell.seed, r.samples, r.steps, r.evaluation) for r in ours]
            protected, clean = stressed_victims(ours), stressed_victims(theirs) if theirs else None
            missing = missing_for_attack(attack, protected, clean)
            label = (
                AS_PUBLISHED.replace("-", " ") if attack.keeps == "last" else attack.label
            )  # a trial has both epochs
            trials.append(_trial(name, label, measured, protected, clean, missing))
    return trials


def trials_of_victims(
    victims: Iterable[Folder], controls: Iterable[Folder], *, protected: str = "", clean: str = ""
) -> list[Trial]:
    """The trials of trained and evaluated victims; controls: those that were trained on clean pairs.

    protected, clean: the fingerprints of what each has to be trained on, "" where that is not at hand. A control goes
    with the victims that were trained with the same settings. Raises `SourceError` for a folder without an evaluated
    victim, and for a control that goes with none; `MismatchError` for one that is known to have learned another corpus.
    """
    beside, made = _by_settings(controls, "clean", clean), _by_settings(victims, "protected", protected)
    if lone := sorted(set(beside) - set(made)):
        raise _no_partner(beside[lone[0]][-1], [victim for ours in made.values() for victim in ours])
    trials = []
    for settings, ours in made.items():
        attacks = [item.model_dump(mode="json") for item in ours[0].config.countermeasures]
        name = "trained" if not attacks else f"trained-{settings[:8]}"
        label = "trained as published" if not attacks else json.dumps(attacks, sort_keys=True)
        tried, control = _trained_victims(ours), _trained_victims(beside.get(settings, []))
        assert tried is not None  # there is one for each of these settings
        trials.append(_trial(name, label, ours, tried, control, missing_for(tried, control)))
    return trials


def _no_partner(control: "_Victim", victims: Sequence["_Victim"]) -> SourceError:
    """Names what the nearest victim was trained with and the control was not."""
    expected = f"expected a victim of protected pairs with the settings of the clean one in {control.place}"
    if not victims:
        return SourceError(f"{expected}, got none")
    nearest = min(victims, key=lambda victim: len(_differing(control, victim)))
    said = ", ".join(f"{name} {theirs} (the clean one: {ours})" for name, ours, theirs in _differing(control, nearest))
    return SourceError(f"{expected}; the one in {nearest.place} has {said}")


def _differing(control: "_Victim", victim: "_Victim") -> list[tuple[str, object, object]]:
    ours, theirs = (one.config.model_dump(mode="json") for one in (control, victim))
    return [(name, ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]]


class _Victim(NamedTuple):
    """A measured victim. place: its folder, if it was named."""

    config: VictimConfig
    seed: int
    samples: int
    steps: int
    found: Evaluation
    place: str = ""


def _trained_victims(victims: Sequence[_Victim]) -> Victims | None:
    if not victims:
        return None
    return victims_of(
        [one.found for one in victims], [how_trained(one.config, one.samples, one.steps) for one in victims]
    )


def _by_settings(folders: Iterable[Folder], kind: str, corpus: str) -> dict[str, list[_Victim]]:
    """Victims by the fingerprint of what they were trained with. corpus: that of the one they have to be trained on."""
    victims: dict[str, list[_Victim]] = {}
    for folder in folders:
        record, found = read_victim(folder), read_evaluation(folder)
        if record is None or found is None:
            raise SourceError(
                f"expected an evaluated victim in {folder.uri}, but there is none", hint="evaluate victims"
            )
        if corpus and record.corpus_fingerprint not in ("", corpus):
            raise MismatchError(
                f"expected a victim in {folder.uri} that was trained on the {kind} corpus, but it was trained on "
                f"{record.corpus}, whose shards are others"
            )
        victim = _Victim(record.config, record.seed, record.samples, record.steps, found, folder.uri)
        victims.setdefault(fingerprint(record.config), []).append(victim)
    return victims


def _trial(
    attack: str,
    label: str,
    ours: Sequence[_Victim],
    protected: Victims,
    clean: Victims | None,
    missing: tuple[str, ...],
) -> Trial:
    """Victims with equal settings, of different seeds. clean: those of only clean pairs beside them."""
    first = ours[0]
    return Trial(
        attack=attack,
        label=label,
        architecture=first.config.architecture,
        epochs=first.config.epochs,
        samples=first.samples,
        seeds=tuple(victim.seed for victim in ours),
        shares=_by_seed(protected),
        clean_shares=_by_seed(clean) if clean else (),
        last=_estimate(protected.last, protected),
        best=_estimate(protected.best, protected),
        clean=_estimate(clean.counting, clean) if clean else None,
        left=protection_left(protected, clean) if clean else None,
        missing=missing,
        test=first.found.test,
        images=first.found.images,
    )


def _by_seed(victims: Victims) -> tuple[float, ...]:
    """The lowest share of chance of each victim at its last epoch: 1 is chance level."""
    each = [
        AtEpoch((bare,), (prefixed,)) for bare, prefixed in zip(victims.last.bare, victims.last.prefixed, strict=True)
    ]
    return tuple(round(share.value, 4) for one in each if (share := one.share(victims.chance)))


def _estimate(at: AtEpoch | None, victims: Victims) -> Estimate | None:
    share = at.share(victims.chance) if at else None
    return share.estimate() if share else None
