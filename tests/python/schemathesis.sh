#!/usr/bin/env bash
# Runs Schemathesis against a fresh gateway: `OPERATOR_KEY=<key> schemathesis.sh <base-url> <openapi-url>`.
# Fails as well where an operation accepted nothing, because then only its refusals were tested.
set -euo pipefail
base_url=$1 openapi_url=$2
: "${OPERATOR_KEY:?is the key that the gateway was started with}"
cd "$(dirname "${BASH_SOURCE[0]}")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export HYPOTHESIS_STORAGE_DIRECTORY=$scratch/hypothesis PYTHONDONTWRITEBYTECODE=1

timeout 180 .venv/bin/schemathesis --config-file schemathesis.toml run --checks all \
    --url "$base_url" --report json --report-json-path "$scratch/report.json" "$openapi_url"

.venv/bin/python - "$scratch/report.json" <<'PYTHON'
import json
import sys

report = json.load(open(sys.argv[1]))
selected = report["operations"]["selected"]
counts = {name: sum(phase["accepted"] for phase in phases.values()) for name, phases in report["valid_rates"].items()}
accepted = {name: count for name, count in counts.items() if count > 0}
for name, count in accepted.items():
    print(f"{name}: {count} valid requests accepted")
if selected == 0 or len(accepted) != selected:
    sys.exit(f"{selected - len(accepted)} of {selected} operations, all but those above, accepted no valid request")
PYTHON
