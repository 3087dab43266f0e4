"""The Prefect server of one machine, and what makes an installation of it: work pools, deployments, a worker."""
