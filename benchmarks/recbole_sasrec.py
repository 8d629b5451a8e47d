"""SASRec of RecBole on ``made/made.inter`` in the current folder; run by peers.py in RecBole's own environment."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
import warnings

import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

order = json.loads(sys.argv[1])
config = Config(
    model="SASRec",
    dataset="made",
    config_dict={
        "data_path": ".", "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "MAX_ITEM_LIST_LENGTH": order["size"]["length"], "n_layers": 2, "n_heads": 2, "hidden_size": 64,
        "inner_size": 256, "loss_type": "CE", "train_neg_sample_args": None, "train_batch_size": order["rows"],
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
        "metrics": ["NDCG"], "topk": [10], "valid_metric": "NDCG@10",
        "eval_batch_size": 1024 * (order["size"]["items"] + 1),
        "use_gpu": False, "show_progress": False, "state": "ERROR",
    },
)  # fmt: skip
logging.disable(logging.WARNING)
init_seed(0, reproducibility=True)
train, _, test = data_preparation(config, create_dataset(config))
trainer = get_trainer(config["MODEL_TYPE"], "SASRec")(config, get_model("SASRec")(config, train.dataset))
training, ranking = [], []
for epoch in range(order["epochs"]):
    started = time.perf_counter()
    trainer._train_epoch(train, epoch)
    training.append(time.perf_counter() - started)
for _ in range(order["epochs"]):
    started = time.perf_counter()
    trainer.evaluate(test, load_best_model=False)
    ranking.append(time.perf_counter() - started)
targets = len(train.dataset) / statistics.median(training)
print(json.dumps({"targets": targets, "users": order["size"]["users"] / statistics.median(ranking)}))
