"""Validates a manifest for Kubernetes against the published schemas, strictly, and prints what its container does: the command and its variables."""

import json
import sys

import kubernetes_validate
import yaml

manifest = yaml.safe_load(open(sys.argv[1]))
kubernetes_validate.validate(manifest, "1.29", strict=True)
pod = manifest["spec"]["template"]["spec"]
[container] = pod["containers"]
# What a schema does not know: names of modes and actions.
assert pod["restartPolicy"] == "Never", pod["restartPolicy"]
assert manifest["spec"].get("completionMode") == ("Indexed" if "completions" in manifest["spec"] else None)
for rule in manifest["spec"]["podFailurePolicy"]["rules"]:
    assert rule["action"] in ("FailIndex", "FailJob", "Ignore"), rule
    assert rule.get("onExitCodes", {}).get("operator", "In") == "In", rule
    assert rule.get("onExitCodes", {}).get("containerName", container["name"]) == container["name"], rule
assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
print(json.dumps({
    "name": manifest["metadata"]["name"],
    "completions": manifest["spec"].get("completions"),
    "command": container["command"],
    "env": {variable["name"]: variable["value"] for variable in container.get("env", [])},
}))
