"""compose, Dockerfile, Kubernetes template, automations: read as their tools would, as no engine runs here."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = ROOT / "deployments"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TEMPLATES = sorted([*DEPLOYMENTS.glob("kubernetes/*.json"), *DEPLOYMENTS.glob("work-pools/*.json")])
SECRET = re.compile(r"(PASSWORD|SECRET|AUTH|KEY)")


class TestCompose:
    def test_whatever_a_service_names_is_there(self) -> None:
        assert {"database", "server", "store", "worker-cpu", "worker-gpu", "setup"} <= set(SERVICES)
        for name, service in SERVICES.items():
            assert set(service.get("depends_on", {})) <= set(SERVICES), name
            for volume in service.get("volumes", []):
                assert volume.partition(":")[0] in COMPOSE["volumes"]
            for needed, state in service.get("depends_on", {}).items():
                if state["condition"] == "service_healthy":
                    assert "healthcheck" in SERVICES[needed]

    def test_ports_are_open_on_loopback_only(self) -> None:
        ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
        assert ports
        assert all(port.startswith("127.0.0.1:") for port in ports)

    def test_images_are_pinned(self) -> None:
        for name, service in SERVICES.items():
            _, _, tag = service["image"].rpartition(":")
            assert tag not in ("", "latest"), name

    def test_every_secret_comes_from_the_environment_and_must_be_set(self) -> None:
        secrets = 0
        for service in SERVICES.values():
            for name, value in service.get("environment", {}).items():
                if SECRET.search(name):
                    assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), name
                    secrets += 1
        assert secrets >= 8
        url = SERVICES["server"]["environment"]["PREFECT_API_DATABASE_CONNECTION_URL"]
        assert "${POSTGRES_PASSWORD:?" in url

    def test_the_server_asks_for_a_password_and_its_clients_have_it(self) -> None:
        assert SERVICES["server"]["environment"]["PREFECT_SERVER_API_AUTH_STRING"].startswith("${PREFECT_AUTH:?")
        for name in ("setup", "worker-cpu", "worker-gpu"):
            assert SERVICES[name]["environment"]["PREFECT_API_AUTH_STRING"].startswith("${PREFECT_AUTH:?")

    def test_prefect_knows_all_of_its_settings(self) -> None:
        from prefect.settings import Settings

        known = set(_aliases(Settings))
        for service in SERVICES.values():
            named = {name for name in service.get("environment", {}) if name.startswith("PREFECT_")}
            assert {name.lower() for name in named} <= known

    def test_the_server_keeps_what_all_of_ours_keep(self) -> None:
        from flows.local_server.records import RECORDS

        assert RECORDS.items() <= SERVICES["server"]["environment"].items()

    def test_workers_serve_the_pools_that_deployments_use(self) -> None:
        from flows.local_server.installation import POOLS

        pools = {service["command"][4] for name, service in SERVICES.items() if name.startswith("worker-")}
        assert pools == set(POOLS)

    def test_the_example_environment_names_all_variables_and_no_values(self) -> None:
        text = (DEPLOYMENTS / "compose.yaml").read_text()
        wanted = set(re.findall(r"\$\{([A-Z_]+):\?", text))
        given = dict(
            line.split("=", 1) for line in (DEPLOYMENTS / "env.example").read_text().splitlines() if "=" in line[:30]
        )
        assert set(given) == wanted
        assert not any(given.values())


class TestDockerfile:
    LINES = (DEPLOYMENTS / "docker/Dockerfile").read_text().replace("\\\n", " ").splitlines()
    STEPS = tuple(tuple(line.split(None, 1)) for line in LINES if line and not line.startswith("#"))

    def test_every_step_is_an_instruction(self) -> None:
        known = {"FROM", "ENV", "WORKDIR", "RUN", "COPY", "USER", "ENTRYPOINT", "CMD"}
        assert {name for name, _ in self.STEPS} <= known
        assert self.STEPS[0][0] == "FROM"
        for name, rest in self.STEPS:
            if name in ("ENTRYPOINT", "CMD"):
                assert isinstance(json.loads(rest), list)  # the exec form: signals reach the process
            elif name == "RUN":
                shlex.split(rest)

    def test_bases_are_pinned_and_the_user_is_not_root(self) -> None:
        bases = [rest for name, rest in self.STEPS if name == "FROM"]
        assert all(re.match(r"python:3\.11\.\d+-slim-bookworm", base) for base in bases)
        assert [rest for name, rest in self.STEPS if name == "USER"] == ["10001"]

    def test_what_is_copied_exists_and_is_let_in(self) -> None:
        allowed = {
            line[1:] for line in (DEPLOYMENTS / "docker/Dockerfile.dockerignore").read_text().split() if line[0] == "!"
        }
        for name, rest in self.STEPS:
            if name == "COPY" and not rest.startswith("--from"):
                for source in rest.split()[:-1]:
                    assert (ROOT / source).exists()
                    assert source in allowed

    def test_only_hashed_packages_are_installed(self) -> None:
        installs = [rest for name, rest in self.STEPS if name == "RUN" and "pip install" in rest]
        assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_and_their_variables_belong_together(path: Path) -> None:
    import jsonschema

    template = json.loads(path.read_text())
    properties = template["variables"]["properties"]
    jsonschema.Draft202012Validator.check_schema(template["variables"])
    assert set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"]))) == set(properties)
    for name, variable in properties.items():
        if variable.get("default") is not None:
            jsonschema.validate(variable["default"], variable)
        assert "title" in variable, name


def test_the_kubernetes_job_is_what_a_cluster_accepts() -> None:
    manifest = json.loads((DEPLOYMENTS / "kubernetes/work-pool-gpu.json").read_text())["job_configuration"][
        "job_manifest"
    ]
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "Job")
    pod = manifest["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # Prefect decides about another try
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert "nvidia.com/gpu" in container["resources"]["limits"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    documents = list(yaml.safe_load_all((DEPLOYMENTS / "kubernetes/secrets.example.yaml").read_text()))
    secrets = {document["metadata"]["name"]: document for document in documents if document["kind"] == "Secret"}
    assert {source["secretRef"]["name"] for source in container["envFrom"]} == set(secrets)
    for secret in secrets.values():
        assert all(value == f"${{{name}}}" for name, value in secret["stringData"].items())


def test_no_file_holds_a_secret() -> None:
    words = r"\b[A-Z_]*(PASSWORD|SECRET|AUTH_STRING|AUTH|KEY_ID|ACCESS_KEY)\b"
    assigned = re.compile(words + r"[\"']?[ ]*[:=][ ]*[\"']?(?![?}])([^\s\"'{$#?}]+)")
    for path in DEPLOYMENTS.rglob("*"):
        if path.suffix in (".yaml", ".json", ".example") or path.name == "Dockerfile":
            for match in assigned.finditer(path.read_text()):
                pytest.fail(f"{path.name}: {match[0]}")


def test_automations_are_what_prefect_understands() -> None:
    from prefect.automations import Automation

    from flows.local_server.automations import watching

    dead, unborn = [Automation.model_validate(values) for values in watching()[:2]]
    assert {dead.trigger.posture.value, unborn.trigger.posture.value} == {"Proactive"}
    assert dead.trigger.within.total_seconds() >= 10 * 30  # nine heartbeats may get lost
    assert "prefect.flow-run.heartbeat" in unborn.trigger.expect  # Running is not enough: a process may die before it
    assert "prefect.flow-run.Running" in dead.trigger.after  # one of the two always waits, if the server dies as well


def test_a_crashed_night_is_made_up_for_with_its_own_parameters() -> None:
    import inspect

    from flows.local_server.automations import watching
    from flows.nightly import nightly

    made_up = watching()[2]
    assert set(made_up["actions"][0]["parameters"]) == set(inspect.signature(nightly.fn).parameters)
    assert made_up["trigger"]["within"] >= 3600  # one that crashes every time is not begun for ever


def test_heartbeats_are_on_wherever_runs_start() -> None:
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        assert deployment["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert "PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30" in (DEPLOYMENTS / "docker/Dockerfile").read_text()


def _aliases(model: Any) -> Iterator[str]:
    """All environment names of Prefect's settings."""
    from pydantic import AliasChoices, BaseModel

    for name, field in model.model_fields.items():
        yield f"{model.model_config.get('env_prefix', '')}{name}".lower()
        if isinstance(field.validation_alias, AliasChoices):
            yield from (choice for choice in field.validation_alias.choices if isinstance(choice, str))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _aliases(field.annotation)
