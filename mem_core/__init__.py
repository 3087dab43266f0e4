"""The algorithm of memshield and the data it works on: no Prefect, no boto3, no environment, no printing."""

__version__ = "0.5.0"
