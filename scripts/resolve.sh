#!/usr/bin/env bash
# resolve.sh [PYTHON ...]: whether PyPI alone has both sets of packages at the locked versions, those of .venv and those of the
# image, for each Python named, else for each that the project names and that is here. Nothing is installed; where PyPI offers
# metadata by itself, as for PyTorch, only that is downloaded. Settings of pip are left aside. kfp-server-api and
# antlr4-python3-runtime have no wheel: with --only-binary=:all: pip ends in ResolutionImpossible, whatever the Python.
set -euo pipefail
cd "$(dirname "$0")/.."
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1
unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL PIP_INDEX_URL PIP_CONSTRAINT PIP_ONLY_BINARY
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
if [ $# = 0 ]; then
    for python in python3.11 python3.12 python3.13; do
        if "$python" -c "" 2>/dev/null; then set -- "$@" "$python"; else echo "$python is not here, so it is left out"; fi
    done
    [ $# -gt 0 ] || { echo "No Python is here; name one: resolve.sh PYTHON"; exit 1; }
fi
for python in "$@"; do
    "$python" -m venv --clear "$scratch/venv"
    for extras in '[local,clip,pipelines,notebook,serve,tune,device,dev]' ''; do
        "$scratch/venv/bin/pip" install --dry-run -c requirements.lock ".$extras" >"$scratch/log" 2>&1 ||
            { tail -n 20 "$scratch/log"; echo "PyPI alone does not do for .$extras with $("$python" --version)"; exit 1; }
        echo "PyPI has everything of .$extras for $("$python" --version)"
    done
done
