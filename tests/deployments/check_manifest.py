"""Validates the Kubernetes manifest on standard input against releases' schemas: python check_manifest.py 1.33.0 1.37.0

Strict: a field that a release does not know is an error. Prints one sentence for each release that refuses it.
"""

import json
import sys

import kubernetes_validate

if __name__ == "__main__":
    manifest = json.load(sys.stdin)
    for release in sys.argv[1:]:
        try:
            kubernetes_validate.validate(manifest, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            print(f"{release}: {'/'.join(map(str, error.path))}: {error.message}")
