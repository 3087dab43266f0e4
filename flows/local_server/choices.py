"""What somebody chose on the server for a deployment, its parameters and its schedule, outlives the next deploying.

`prefect deploy` sets both to what prefect.yaml says; nights would end unseen, as `memshield up` deploys, too.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse


def deployed() -> list["DeploymentResponse"]:
    """Memshield's deployments as they are on the server."""
    from prefect import get_client

    with get_client(sync_client=True) as client:
        return [found for found in client.read_deployments() if "memshield" in found.tags]


def restore(before: Iterable["DeploymentResponse"]) -> list[str]:
    """Puts back parameters where prefect.yaml has none, and schedules that are on where it has only some that are off,
    or the same one off; returns the names of the deployments. before: as they were before deploying."""
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate

    now = {found.id: found for found in deployed()}
    restored = []
    with get_client(sync_client=True) as client:
        for old in before:
            new = now.get(old.id)
            if new is None:
                continue
            lost = DeploymentUpdate()
            if old.parameters and not new.parameters:
                lost.parameters = old.parameters
            if _on(old) and (not _on(new) or _on(old) & _off(new)):
                lost.schedules = [
                    DeploymentScheduleUpdate(
                        schedule=kept.schedule, active=kept.active, parameters=kept.parameters, slug=kept.slug
                    )
                    for kept in old.schedules
                ]
            if lost.model_fields_set:
                client.update_deployment(old.id, lost)
                restored.append(old.name)
    return restored


def _on(deployment: "DeploymentResponse") -> set[str | None]:
    """The names of the schedules that are on."""
    return {kept.slug for kept in deployment.schedules if kept.active}


def _off(deployment: "DeploymentResponse") -> set[str | None]:
    return {kept.slug for kept in deployment.schedules if not kept.active}
