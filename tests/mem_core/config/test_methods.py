"""Every method has its noise and trigger, and nothing else."""

from typing import get_args

from mem_core.audit.verify.sample import NO_NOISE, NO_TRIGGER
from mem_core.config import Method, ProtectConfig
from mem_core.config.methods import RECIPES, WORDS_TO_CHOOSE


def test_every_method_has_a_recipe() -> None:
    assert set(RECIPES) == set(get_args(Method))


def test_verification_expects_what_the_recipes_publish() -> None:
    assert {m for m, r in RECIPES.items() if r.noise == "none" or not r.publishes_noise} == NO_NOISE
    wordless = {
        method for method, recipe in RECIPES.items() if recipe.trigger == "none" or not recipe.publishes_trigger
    }
    assert wordless - set(WORDS_TO_CHOOSE) == NO_TRIGGER


def test_a_surrogate_is_trained_only_where_something_is_optimised() -> None:
    needing = {method for method, recipe in RECIPES.items() if recipe.needs_surrogate}
    assert needing == {"mem", "em", "uap", "noise-only", "trigger-only"}


def test_controls_of_mem_are_made_as_mem() -> None:
    mem = RECIPES["mem"]
    for control in (RECIPES["noise-only"], RECIPES["trigger-only"]):
        made = (control.noise, control.trigger, control.shuffles_captions)
        assert made == (mem.noise, mem.trigger, mem.shuffles_captions)
        assert control.publishes_noise != control.publishes_trigger


def test_the_config_may_ask_for_other_words_than_the_methods() -> None:
    def trigger_of(method: str, kind: str) -> str:
        return ProtectConfig.model_validate({"method": method, "trigger": {"kind": kind}}).recipe.trigger

    assert [trigger_of("em", kind) for kind in ("method", "none", "random")] == ["none", "none", "random"]
    assert [trigger_of("mem", kind) for kind in ("method", "none", "random")] == ["optimised", "none", "random"]
