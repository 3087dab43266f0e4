"""Suites are settings that hold together: names of their own, victims that can be made, controls that are there."""

import pytest

from mem_core.audit.stress.attacks import AS_PUBLISHED, Suite, suite
from mem_core.audit.stress.cells import cells_of
from mem_core.victim.config import VictimConfig
from mem_core.victim.countermeasures.clean_pairs import CleanPart, MixClean
from mem_core.victim.countermeasures.words import StripFirst

BASE = VictimConfig(epochs=7, batch_size=20, learning_rate=0.9)


@pytest.mark.parametrize("name", ["default", "full"])
def test_names_are_unique_and_controls_are_rows_with_clean_victims(name: Suite) -> None:
    attacks = suite(name, 3, "purifier.safetensors", "weights.pt")
    names = [attack.name for attack in attacks]
    assert len(set(names)) == len(names)
    assert names[0] == AS_PUBLISHED
    own = {attack.name for attack in attacks if not attack.control}
    assert {attack.control for attack in attacks if attack.control} <= own
    assert {attack.reads for attack in attacks if attack.reads} == {AS_PUBLISHED}
    victims = [attack.victim(BASE, 50) for attack in attacks if not attack.reads]
    assert {victim.samples for victim in victims} == {50}
    assert victims[0] == BASE.model_copy(update={"samples": 50, "evaluate_every": 0})
    assert len({victim.model_dump_json() for victim in victims}) == len(victims)


def test_the_default_suite_is_the_first_part_of_the_full_one() -> None:
    default, full = suite("default", 3, "p"), suite("full", 3, "p")
    assert full[: len(default)] == default
    assert "pretrained" not in [attack.name for attack in full]


def test_as_many_words_are_stripped_as_were_added() -> None:
    for length, words in ((5, 5), (0, 1)):
        (strip,) = next(attack for attack in suite("default", length, "p") if attack.name == "strip").countermeasures
        assert strip == StripFirst(words=words)


def test_words_are_stripped_where_they_stand() -> None:
    by_placement = {}
    for placement in ("front", "end", "inside", "replace"):
        attacks = suite("default", 4, "p", "", placement)
        strips = [one for attack in attacks for one in attack.countermeasures if one.kind.startswith("strip")]
        by_placement[placement] = [one.kind for one in strips]
        labels = [attack.label for attack in attacks if attack.name.startswith("strip")]
        assert [label.split(" ")[0] for label in labels] == [one.kind.removeprefix("strip-") for one in strips]
        assert len({attack.name for attack in attacks}) == len(attacks)
    assert by_placement == {
        "front": ["strip-first"] * 2,
        "end": ["strip-last"] * 2,
        "inside": ["strip-first", "strip-last", "strip-first"],
        "replace": ["strip-first"] * 2,
    }


def test_a_mix_is_compared_with_its_clean_pairs_alone_and_others_with_the_same_attack() -> None:
    shares = {}
    for attack in suite("full", 3, "p", "weights.pt"):
        ours, clean = attack.victim(BASE, 50), attack.victim(BASE, 50, clean=True)
        for one in attack.countermeasures:
            if isinstance(one, MixClean):
                assert attack.control == ""
                assert clean.countermeasures == (CleanPart(protected=one.protected),)
                shares[attack.name] = one.protected
        same = {"countermeasures": ()} if attack.name in shares else {}
        assert ours.model_copy(update=same) == clean.model_copy(update=same)
    assert shares == {"mix-50": 0.5, "mix-10": 0.1, "mix-25": 0.25, "mix-75": 0.75, "mix-90": 0.9}


def test_factors_work_on_the_victims_own_settings() -> None:
    by_name = {attack.name: attack.victim(BASE, None) for attack in suite("full", 3, "p")}
    assert (by_name["longer"].epochs, by_name["large-batch"].batch_size) == (21, 80)
    assert (by_name["rate-low"].learning_rate, by_name["rate-high"].learning_rate) == (pytest.approx(0.3), 1.0)


def test_every_attack_has_a_protected_victim_a_seed_and_a_clean_one_unless_it_borrows() -> None:
    attacks = suite("default", 3, "p")
    cells = cells_of(attacks, (4, 5))
    assert len({cell.name for cell in cells}) == len(cells)
    borrowing = sum(1 for attack in attacks if attack.control)
    training = [attack for attack in attacks if not attack.reads]
    assert len(cells) == 2 * (2 * len(training) - borrowing)
    assert {cell.attack.name for cell in cells} == {attack.name for attack in training}
    assert cells[0].name == "as-published-protected-4"
    assert len(cells_of(attacks, (4,))) == 23
    assert {"mix-50-protected-4", "mix-50-clean-4"} <= {cell.name for cell in cells}
