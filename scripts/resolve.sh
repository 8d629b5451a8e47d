#!/usr/bin/env bash
# Whether PyPI alone has both sets of packages at the locked versions: those of .venv and those of the image. Nothing is
# installed; where PyPI offers metadata by itself, as for PyTorch, only that is downloaded. Settings of pip are left aside.
set -euo pipefail
cd "$(dirname "$0")/.."
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL PIP_INDEX_URL
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
python3 -m venv "$scratch/venv"
for extras in '[local,clip,pipelines,dev]' ''; do
    "$scratch/venv/bin/pip" install --quiet --dry-run -c requirements.lock ".$extras"
    echo "PyPI has everything of .$extras"
done
