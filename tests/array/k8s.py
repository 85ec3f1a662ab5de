"""Validates a manifest for Kubernetes against the published schemas, strictly, and prints what its container does: the command and its variables."""

import json
import sys

import kubernetes_validate
import yaml

manifest = yaml.safe_load(open(sys.argv[1]))
kubernetes_validate.validate(manifest, "1.29", strict=True)
[container] = manifest["spec"]["template"]["spec"]["containers"]
print(json.dumps({
    "name": manifest["metadata"]["name"],
    "completions": manifest["spec"].get("completions"),
    "command": container["command"],
    "env": {variable["name"]: variable["value"] for variable in container.get("env", [])},
}))
