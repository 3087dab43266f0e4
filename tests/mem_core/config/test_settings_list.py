"""The list of settings: one row each, all of them explained, as they are typed."""

import pytest

from mem_core.config.settings_list import matching, setting_rows
from mem_core.experiments.config import RunConfig

ROWS = {row.name: row for row in setting_rows(RunConfig)}


def test_every_setting_has_a_meaning_and_a_range() -> None:
    assert not [name for name, row in ROWS.items() if not row.meaning]
    assert not [name for name, row in ROWS.items() if not row.range and not name.endswith("]")]


def test_all_that_a_dumped_config_has_are_in_the_list() -> None:
    def names(values: dict[str, object], above: str = "") -> list[str]:
        out: list[str] = []
        for key, value in values.items():
            out += names(value, f"{above}{key}.") if isinstance(value, dict) else [f"{above}{key}"]
        return out

    assert set(names(RunConfig().model_dump())) <= set(ROWS)


@pytest.mark.parametrize(
    ("name", "unit", "default", "range"),
    [
        ("protect.noise.epsilon", "fractions of white", "8/255", "1/255 to 64/255, in whole steps of 1/255"),
        ("protect.trigger.length", "words", "3", "whole number, 1 to 16"),
        ("protect.trigger.placement", "", "front", "front, end, inside, replace"),
        ("protect.quality.min_psnr", "dB", "null", "number, more than 0 and at most 100 or null"),
        ("corpus.caption_key", "", "empty", "text"),
        ("corpus.identities.rename", "", "false", "true, false"),
        ("rows[].name", "", "must be given", "text"),
        ("victim.crop_scale", "", "[0.9, 1]", "2 values, each a number, more than 0 and at most 1"),
        ("victim.countermeasures[jpeg].quality", "", "75", "whole number, 1 to 100"),
    ],
)
def test_a_row_says_what_may_be_typed(name: str, unit: str, default: str, range: str) -> None:
    row = ROWS[name]
    assert (row.unit, row.default, row.range) == (unit, default, range)


def test_a_filter_looks_at_names_and_meanings_whatever_the_case() -> None:
    rows = list(ROWS.values())
    assert [row.name for row in matching(rows, "EPSILON")] == ["protect.noise.epsilon"]
    assert "protect.noise.num_steps" in [row.name for row in matching(rows, "pgd")]
    assert matching(rows, "") == rows
    assert matching(rows, "no such thing") == []
