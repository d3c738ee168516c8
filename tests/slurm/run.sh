#!/usr/bin/env bash
# The tests on a private SLURM, installed if need be (Debian or Ubuntu, as root), then taken down.
# Usage: tests/slurm/run.sh [pytest options]; PYTHON names the interpreter (default .venv/bin/python).
# Exit code 77: SLURM is not here and cannot be installed, or belongs to others, so nothing was tested.
set -euo pipefail
cd "$(dirname "$0")/../.."
need=()
for program in slurmctld slurmd squeue munged; do
  command -v "$program" > /dev/null || need=(slurmctld slurmd slurm-client munge)
done
if [ ${#need[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "SLURM not tested: ${need[*]} are not installed; as root on Debian this would install them" >&2
    exit 77
  fi
  # The packages' scripts must not start daemons of their own: dpkg asks policy-rc.d.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${need[@]}"; } > /dev/null; then
    echo "SLURM not tested: ${need[*]} could not be installed" >&2
    exit 77
  fi
fi
python=${PYTHON:-.venv/bin/python}
why=$("$python" -c 'from tests.slurm.cluster import missing; print(missing())')
if [ -n "$why" ]; then
  echo "SLURM not tested: $why" >&2
  exit 77
fi
"$python" -m pytest -m slurm tests/slurm "$@"
