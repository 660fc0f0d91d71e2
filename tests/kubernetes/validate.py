"""Checks manifests on standard input by the API of each version of Kubernetes since FIRST. Unknown fields are denied.

Prints a line for each valid object, and ends with status 1 at the first invalid one. An object that is no part of
Kubernetes itself needs a schema here. Without one it is a mistake, not a warning.
"""

import sys

import jsonschema
import kubernetes_validate
import yaml

FIRST = 30

# Of the operator's API what is used here, from its documents: https://prometheus-operator.dev/docs/api-reference/api/
TEXT = {"type": "string", "minLength": 1}
POD_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "PodMonitor"},
        "metadata": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": TEXT,
                "namespace": TEXT,
                "labels": {"type": "object", "additionalProperties": TEXT},
            },
        },
        "spec": {
            "type": "object",
            "required": ["selector", "podMetricsEndpoints"],
            "additionalProperties": False,
            "properties": {
                "selector": {
                    "type": "object",
                    "required": ["matchLabels"],
                    "additionalProperties": False,
                    "properties": {"matchLabels": {"type": "object", "minProperties": 1, "additionalProperties": TEXT}},
                },
                "podMetricsEndpoints": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["port"],
                        "additionalProperties": False,
                        "properties": {"port": TEXT, "path": {"type": "string", "pattern": "^/"}},
                    },
                },
            },
        },
    },
}
CUSTOM = {("monitoring.coreos.com/v1", "PodMonitor"): POD_MONITOR}

newest = int(kubernetes_validate.latest_version().split(".")[1])
for thing in yaml.safe_load_all(sys.stdin):
    name = f"{thing['kind']} {thing['metadata']['name']}"
    custom = CUSTOM.get((thing["apiVersion"], thing["kind"]))
    try:
        if custom:
            jsonschema.validate(thing, custom)
        else:
            for minor in range(FIRST, newest + 1):
                kubernetes_validate.validate(thing, f"1.{minor}", strict=True)
    except (
        jsonschema.ValidationError,
        kubernetes_validate.ValidationError,
        kubernetes_validate.SchemaNotFoundError,
    ) as mistake:
        sys.exit(f"{name}: {mistake}")
    print(name)
