"""The forms of deployments: every parameter is explained, and its default is that of the command."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prefect import Flow
from prefect.utilities.callables import parameter_schema

from flows.cli.app import app
from flows.cli.presets import load_preset, preset_names
from flows.parameters import chosen
from mem_core.common.errors import ConfigError
from mem_core.config import ProtectConfig

ROOT = Path(__file__).parents[2]
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
DEPLOYED = {entry["name"] for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
# Of a form alone, as the command line has other ways: what is measured next, names, whole parts of the settings.
FORM_ALONE = {"then", "announce", "label", "record", "config", "runtime", "evaluate", "victim", "seeds"}
RENAMED = {"settings": "set"}


def _flows() -> dict[str, Flow[..., Any]]:
    modules = [import_module(f"flows.{path.stem}") for path in sorted((ROOT / "flows").glob("[a-z]*.py"))]
    members = (member for module in modules for member in vars(module).values())
    return {member.name: member for member in members if isinstance(member, Flow)}


FLOWS = _flows()


def test_every_deployment_is_among_them() -> None:
    assert set(FLOWS) >= DEPLOYED


@pytest.mark.parametrize("name", FLOWS)
def test_every_parameter_is_explained(name: str) -> None:
    schema = parameter_schema(FLOWS[name].fn)
    assert [key for key, found in schema.properties.items() if not found.get("description")] == []


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_every_setting_that_a_form_unfolds_is_explained(name: str) -> None:
    schema = parameter_schema(FLOWS[name].fn)
    groups = {f"#/definitions/{key}" for key, found in schema.definitions.items() if found.get("description")}

    def explained(found: dict[str, Any]) -> bool:
        return bool(found.get("description")) or found.get("$ref") in groups or "const" in found

    bare = [
        f"{model}.{key}"
        for model, found in schema.definitions.items()
        for key, value in found.get("properties", {}).items()
        if not explained(value)
    ]
    assert bare == []


@pytest.mark.parametrize("name", sorted(DEPLOYED & set(COMMANDS)))
def test_defaults_are_those_of_the_command(name: str) -> None:
    options = {option.name: option for option in COMMANDS[name].params}
    for key, parameter in inspect.signature(FLOWS[name].fn).parameters.items():
        option = options.get(RENAMED.get(key, key))
        if option is None:
            assert key in FORM_ALONE
            assert not parameter.default, key  # left empty it changes nothing
        elif parameter.default is inspect.Parameter.empty:
            assert option.default is None, key  # required, or a command's other use (`shard --dry-run`) does without
        else:
            assert parameter.default == (option.default or () if key == "settings" else option.default), key


@pytest.mark.parametrize("name", sorted(DEPLOYED))
def test_a_form_offers_the_presets(name: str) -> None:
    properties = parameter_schema(FLOWS[name].fn).properties
    if name != "verify":  # has no settings
        assert properties["preset"]["enum"] == preset_names()


def test_settings_are_laid_on_the_preset() -> None:
    found = chosen("smoke", ("protect.noise.epsilon=4/255",), 7)
    assert found == load_preset("smoke", ["protect.noise.epsilon=4/255"], 7)
    given = ProtectConfig(rounds=2)
    assert chosen("smoke", ("victim.epochs=3",), protect=given).protect == given
    assert chosen("smoke", protect=None) == load_preset("smoke")


def test_settings_of_a_part_that_is_replaced_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected all settings of `protect` in one place, got 'protect.rounds=3'"):
        chosen("smoke", ("protect.rounds=3",), protect=ProtectConfig())
