"""compose, Dockerfile and Kubernetes template, given to the programs that read them; only an engine is missing.

Those programs are in an environment of their own, made from requirements.lock, and that by:
uv pip compile --no-deps --generate-hashes --no-header --no-annotate --python-version 3.11 requirements.in
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from mem_core import __version__
from tests.support.own_venv import ROOT, own_venv

HERE, DEPLOYMENTS = Path(__file__).parent, ROOT / "deployments"
TEMPLATE = DEPLOYMENTS / "kubernetes/work-pool-gpu.json"
RELEASES = ("1.29.0", "1.33.0", "1.37.0")  # of Kubernetes
# Prefect's worker refuses a template without these two, which belong a level higher; Kubernetes warns and drops them.
MISPLACED = ("parallelism", "completions")


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the programs."""
    return own_venv(".venv-deployments", HERE / "requirements.lock", beside_ours=True).parent


def run(*command: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        input=stdin,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **environment},
        cwd=ROOT,
        check=False,
    )


class TestCompose:
    NAMES = tuple(
        line.partition("=")[0] for line in (DEPLOYMENTS / "env.example").read_text().splitlines() if line[:1].isupper()
    )

    def config(self, tools: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(tools / "docker-compose", "-f", "deployments/compose.yaml", *arguments, **environment)

    def test_it_is_a_whole_project(self, tools: Path) -> None:
        secrets = dict.fromkeys(self.NAMES, "abc")
        asked = self.config(
            tools, "--profile", "gpu", "config", "--format", "json", **secrets, DEVICE_POOL="memshield-gpu"
        )
        assert (asked.returncode, asked.stderr) == (0, "")
        services = json.loads(asked.stdout)["services"]
        assert set(services) == {"database", "server", "store", "setup", "worker-cpu", "worker-gpu"}
        assert services["setup"]["command"][-1] == "memshield-gpu"
        for worker in (services["worker-cpu"], services["worker-gpu"]):  # keys of twins outlive a container
            kept = {volume["target"] for volume in worker["volumes"] if volume["type"] == "volume"}
            assert "/home/memshield/.memshield" in kept
        (gpu,) = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
        assert (gpu["driver"], gpu["count"], gpu["capabilities"]) == ("nvidia", 1, ["gpu"])
        for name in ("server", "setup", "worker-cpu", "worker-gpu"):
            build = services[name]["build"]
            assert Path(build["context"]) == ROOT
            assert (ROOT / build["dockerfile"]).is_file()

    def test_a_secret_that_is_missing_is_named(self, tools: Path) -> None:
        for name in self.NAMES:
            others = {other: "abc" for other in self.NAMES if other != name}
            asked = self.config(tools, "config", "--quiet", **others)
            assert asked.returncode != 0
            assert f"required variable {name} is missing a value" in asked.stderr


def test_the_dockerfile_passes_hadolint(tools: Path) -> None:
    asked = run(tools / "hadolint", "--failure-threshold", "warning", "deployments/docker/Dockerfile")
    assert (asked.returncode, asked.stderr) == (0, ""), asked.stdout


@pytest.fixture(scope="module")
def job(tools: Path) -> Any:
    """The manifest that Prefect's worker submits for a run of a deployment of prefect.yaml."""
    (variables,) = {
        json.dumps(deployment["work_pool"]["job_variables"], sort_keys=True)
        for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    }
    rendered = run(tools / "python", HERE / "render_job.py", TEMPLATE, variables, PREFECT_API_URL="http://server/api")
    assert rendered.returncode == 0, rendered.stderr[-2000:]
    return json.loads(rendered.stdout)


class TestKubernetes:
    def test_a_job_asks_for_what_it_needs_and_is_tried_once(self, job: Any) -> None:
        assert job["spec"]["backoffLimit"] == 0  # Prefect decides about another try
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert (pod["restartPolicy"], container["args"]) == ("Never", ["prefect", "flow-run", "execute"])
        resources = container["resources"]
        assert resources["requests"] == {"cpu": "8", "memory": "32Gi"}
        assert resources["limits"] == {"memory": "32Gi", "nvidia.com/gpu": 1}
        environment = {entry["name"]: entry["value"] for entry in container["env"]}
        assert environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
        assert environment["PREFECT_API_URL"] == "http://server/api"
        assert {source["secretRef"]["name"] for source in container["envFrom"]} == {"memshield-s3", "memshield-prefect"}
        assert "{{" not in json.dumps(job)

    def test_a_server_takes_the_template_as_documented(self, prefect_api: str) -> None:
        from prefect import get_client
        from prefect.exceptions import ObjectNotFound

        documented = "prefect work-pool create memshield-gpu --type kubernetes --base-job-template " + str(
            TEMPLATE.relative_to(ROOT)
        )
        assert documented in (ROOT / "docs/operations.md").read_text()
        with get_client(sync_client=True) as client, suppress(ObjectNotFound):
            client.delete_work_pool("memshield-gpu")  # of another test
        made = run(sys.executable, "-m", *documented.split(), PREFECT_API_URL=prefect_api)
        assert made.returncode == 0, made.stderr[-2000:]
        with get_client(sync_client=True) as client:
            pool = client.read_work_pool("memshield-gpu")
        assert (pool.type, pool.base_job_template) == ("kubernetes", json.loads(TEMPLATE.read_text()))

    def test_every_release_of_kubernetes_knows_its_fields(self, job: Any, tools: Path) -> None:
        pod = job["spec"]["template"]["spec"]
        right = {name: value for name, value in pod.items() if name not in MISPLACED}
        assert len(pod) - len(right) == len(MISPLACED)
        whole = {**job, "spec": {**job["spec"], "template": {**job["spec"]["template"], "spec": right}}}
        assert self.refused(whole, tools) == ""
        assert "unexpected" in self.refused(job, tools)  # once Prefect puts them right, the template can, too
        for document in yaml.safe_load_all((DEPLOYMENTS / "kubernetes/secrets.example.yaml").read_text()):
            assert self.refused(document, tools) == ""

    def refused(self, manifest: Any, tools: Path) -> str:
        asked = run(tools / "python", HERE / "check_manifest.py", *RELEASES, stdin=json.dumps(manifest))
        assert asked.returncode == 0, asked.stderr[-2000:]
        return asked.stdout


def test_all_images_of_ours_have_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    texts = {path: path.read_text() for path in DEPLOYMENTS.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    named = {path.name: tag for path, text in texts.items() for tag in re.findall(r"memshield:(\d[\w.-]*)", text)}
    assert named == dict.fromkeys(("Dockerfile", "compose.yaml", TEMPLATE.name), __version__)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the Dockerfile copies into the image, and no others."""
    place = tmp_path_factory.mktemp("image")
    lines = (DEPLOYMENTS / "docker/Dockerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    for name in (name for names in copied for name in names):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    return place


def test_the_image_has_all_that_commands_and_deployments_need(image: Path) -> None:
    load = """
import importlib, sys, yaml, pathlib
for deployment in yaml.safe_load(pathlib.Path("prefect.yaml").read_text())["deployments"]:
    file, _, name = deployment["entrypoint"].partition(":")
    getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
from flows.cli.presets import load_preset, preset_names
assert [load_preset(name) for name in preset_names()]
assert pathlib.Path("deployments/automations.yaml").is_file()
assert all(module.__file__.startswith(sys.path[0]) for name, module in sys.modules.items()
           if name.partition(".")[0] in ("mem_core", "tasks", "flows") and getattr(module, "__file__", None))
"""
    environment = {**os.environ, "PYTHONPATH": str(image), "PYTHONSAFEPATH": "1"}
    for command in (("-c", load), ("-m", "flows.cli", "settings", "epsilon"), ("-m", "flows.cli", "bench")):
        done = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, env=environment, cwd=image, check=False
        )
        if command[-1] == "bench":
            assert "expected the source tree" in done.stderr  # it is the one command that an image does not have
        else:
            assert done.returncode == 0, done.stderr[-2000:]
