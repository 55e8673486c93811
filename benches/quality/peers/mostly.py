#!/usr/bin/env python3
"""MOSTLY AI's TabularARGN with differential privacy on one table, on the processor; see ../peers.py.

  mostly.py TRAIN.csv SCHEMA.json EPSILON DELTA OUT.csv

The schema is public, so none of the budget goes into its protection of values: the engine takes ranges and categories
from the rows, and all of epsilon is spent on training, which it ends when the next epoch would go over.
"""
import json, sys, tempfile, time

import pandas as pd

MINUTES = 45


def noise(epsilon):
    """The engine's default spends epsilon 1 in six to ten epochs of Adult; larger budgets want less noise."""
    return 1.5 if epsilon < 3 else 0.7


def main():
    train, schema, epsilon, delta, out = sys.argv[1:]
    schema = json.load(open(schema))
    words = {c["name"]: str for c in schema["columns"] if c["type"] == "categorical"}
    table = pd.read_csv(train, dtype=words, keep_default_na=False)
    kinds = {c["name"]: "TABULAR_CATEGORICAL" if c["type"] == "categorical" else "TABULAR_NUMERIC_AUTO"
             for c in schema["columns"]}
    from mostlyai.engine import TabularARGN
    private = {"max_epsilon": float(epsilon), "delta": float(delta), "noise_multiplier": noise(float(epsilon))}
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        model = TabularARGN(
            differential_privacy=private, tgt_encoding_types=kinds, value_protection=False, device="cpu",
            enable_flexible_generation=False, max_training_time=MINUTES, workspace_dir=folder, verbose=1)
        model.fit(table)
        drawn = model.sample(n_samples=len(table))
    seconds = time.time() - began
    drawn[[c["name"] for c in schema["columns"]]].to_csv(out, index=False)
    print(json.dumps({"seconds": seconds, "settings": {**private, "minutes": MINUTES}, "charged": float(epsilon)}))


if __name__ == "__main__":
    main()
