"""Prints the job that Prefect's Kubernetes worker submits: python render_job.py TEMPLATE JOB_VARIABLES

Runs in the environment of this folder's lock file, which has that worker. Template and job variables come from a server
otherwise; here they come from the files that a server is given.
"""

import asyncio
import json
import sys
from pathlib import Path
from uuid import uuid4

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration


async def render(template: Path, variables: str) -> dict[str, object]:
    """The manifest of one flow run."""
    async with get_client() as client:
        job = await KubernetesWorkerJobConfiguration.from_template_and_values(
            json.loads(template.read_text()), json.loads(variables), client=client
        )
    job.prepare_for_flow_run(FlowRun(id=uuid4(), name="nightly into s3://a/b", flow_id=uuid4()))
    manifest: dict[str, object] = job.job_manifest
    return manifest


if __name__ == "__main__":
    print(json.dumps(asyncio.run(render(Path(sys.argv[1]), sys.argv[2]))))
