#!/usr/bin/env bash
# Builds the wheel into dist/, installs it with pinned dependencies into a fresh environment of the Python named, outside of any
# checkout, and runs the chain there on the sample data with small settings. `make wheel` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:?wheel.sh PYTHON}
here=$PWD
rm -rf dist build
.venv/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
rm -rf build
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo "Installing $(basename "$here"/dist/*.whl) for $("$python" --version) (a few minutes) ..."
"$python" -m venv environment
environment/bin/python "$here/scripts/install_torch.py" --lock "$here/requirements.lock"
environment/bin/pip install --quiet --disable-pip-version-check -c "$here/requirements.lock" "$(echo "$here"/dist/*.whl)[local]"
export PATH="$folder/environment/bin:$PATH" OMP_NUM_THREADS=1 MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cat >params.yaml <<SETTINGS
model: {dim: 8, attention_heads: 2, length: 5}
training: {epochs: 2}
evaluation: {bootstrap: 100}
SETTINGS
solid sample --out data
solid ingest --out raw
solid prepare --raw raw --out prepared
solid features --raw raw --prepared prepared --out features
solid train --head static --prepared prepared --out static
solid assign --modality text_image --prepared prepared --features features --out classes
solid train --head duet --ids semantic --prepared prepared --semantics classes --out semantic
solid train --head solid --prepared prepared --semantics classes --semantic-model semantic --out solid
solid evaluate --prepared prepared --model static=static --model SOLID=solid --out evaluation
solid register --prepared prepared --model text_image=solid --evaluation evaluation --out registration
item=$(python -c "import pandas; print(pandas.read_parquet('prepared/items.parquet')['item_id'][3])")
solid recommend -k 3 "$item"
md5sum static/model.safetensors solid/model.safetensors evaluation/metrics.json
echo "The wheel works with $(python --version)."
