# Two commands: `make run` and `make test`. Both set up what they need in .venv first.

# The first of these that runs; 3.11 is what the lock file was tested with most.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13; do $$python -c "" 2>/dev/null && echo $$python && break; done)
# Which build of PyTorch, see scripts/install_torch.py.
TORCH_BUILD ?= auto
export TORCH_BUILD
BIN := .venv/bin
IMAGE ?= solid:dev
# What the image is for: steps or serve.
FOR ?= steps
export FOR
# Of the tests: one more than cores, for some wait for containers and servers.
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup run serve demo test bench check docs wheel image pipeline stack stack-down cluster cluster-down clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "Own data:  make run SOURCE=<folder, https:// or s3:// address> FORMAT=<reader, default auto>"
	@echo "Settings:  make run SET='training.seed=1 semantics.modalities=[id,id_text]'"
	@echo "Python:    make setup PYTHON=/path/to/python3.12"
	@echo "Image:     make image IMAGE=registry.example/solid:1.0; make image FOR=serve IMAGE=registry.example/solid-serve:1.0"
	@echo "Ports:     make stack S3_PORT=8333 MLFLOW_PORT=5000"

setup: .venv/installed  ## install the pinned packages into .venv

.venv/installed: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing pinned packages into .venv (three to ten minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python scripts/install_torch.py
	@PIP_CONSTRAINT=requirements.lock $(BIN)/pip install --quiet --disable-pip-version-check -e '.[local,clip,pipelines,notebook,serve,tune,device,dev]'
	@$(BIN)/python scripts/install_torch.py --say "$$(du -sh .venv | cut -f1)"
	@touch $@

run: setup  ## run the whole chain on the sample data, or on SOURCE=... FORMAT=...
	@$(BIN)/python scripts/run.py --source '$(SOURCE)' --format '$(or $(FORMAT),auto)' $(foreach pair,$(SET),--set '$(pair)')

serve: setup  ## serve the champion of make run over HTTP, at PORT=8080; MODEL=models:/name@champion names another
	@$(BIN)/solid serve $(if $(MODEL),--model $(MODEL)) $(if $(PORT),--port $(PORT))

test: setup  ## run the whole test suite, in WORKERS=3 processes; a file of tests stays in one
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --durations 10 -rs

demo: setup  ## write a page that recommends in a browser into work/demo, of what make run left (MODEL=work/sasrec/item)
	@$(BIN)/solid demo --model '$(or $(MODEL),work/sasrec/solid/auto)' --static work/sasrec/baseline/static \
		--prepared work/prepared --raw work/raw --out work/demo

wheel: setup  ## build the wheel into dist/, install it in a fresh environment of PYTHON and run the chain there
	@scripts/wheel.sh $(PYTHON)

image:  ## build the container image and say what takes its space
	@scripts/image.sh $(IMAGE)

pipeline: setup image  ## run the training pipeline in containers, on the sample data
	@test -d data || $(BIN)/solid sample --out data
	@$(BIN)/solid-pipeline run training --image $(IMAGE) $(foreach pair,$(SET),--set '$(pair)')

docs: setup  ## write dvc.yaml, docs/settings.md and the tables of readers, heads, losses and steps from the code
	@$(BIN)/python scripts/dvc_yaml.py
	@$(BIN)/python scripts/settings_page.py
	@$(BIN)/python scripts/page_tables.py

bench: setup  ## measure speed and memory, beside RecBole in an environment of its own; half an hour, on an idle machine
	@$(BIN)/python benchmarks/speed.py
	@$(BIN)/python benchmarks/slopes.py --out docs/slopes.png
	@$(BIN)/python benchmarks/peers.py

check: setup  ## lint, format, types, which room imports which, whether dvc.yaml, pages and dvc.lock are current
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@said=$$($(BIN)/lint-imports --no-logo --no-cache) || { echo "$$said"; exit 1; }
	@$(BIN)/python scripts/dvc_yaml.py --check
	@$(BIN)/python scripts/settings_page.py --check
	@$(BIN)/python scripts/page_tables.py --check
	@! $(BIN)/dvc repro --dry --allow-missing 2>&1 | grep -E "Running stage|ERROR" || \
		{ echo "dvc.lock is stale: run make run, and commit dvc.lock"; exit 1; }

stack: setup  ## start an S3 server and an MLflow server on this machine, say what to export
	@$(BIN)/python scripts/stack.py up $(if $(S3_PORT),--s3-port $(S3_PORT)) $(if $(MLFLOW_PORT),--mlflow-port $(MLFLOW_PORT))

stack-down:  ## stop them; what they hold stays
	@$(BIN)/python scripts/stack.py down

cluster: setup  ## Kubeflow on this machine in kind or k3d, from nothing to three runs (DRY_RUN=1 prints the plan)
	@$(BIN)/python scripts/cluster.py up $(if $(DRY_RUN),--dry-run)

cluster-down:  ## remove that cluster
	@$(BIN)/python scripts/cluster.py down $(if $(DRY_RUN),--dry-run)

clean:  ## remove outputs and runs, keep the environment and the cache of DVC
	rm -rf work runs mlflow.db mlartifacts
