"""The judge: a program from outside that fits classifiers on the synthetic table and compares histograms."""
import json, subprocess


def judged(python, judge, table, synthetic):
    """The figures that are kept of what the judge says about one synthetic table."""
    command = [python, judge, "--real-train", table.train, "--real-test", table.test, "--synthetic", synthetic,
               "--target", table.schema["target"], "--schema", table.schema_path]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the judge ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    said = json.loads(done.stdout)
    xgb, lr, hist = said["ml"]["xgb"], said["ml"]["lr"], said["hist"]
    return {"xgb_f1": xgb["f1"], "xgb_auc": xgb["roc_auc"], "lr_f1": lr["f1"], "lr_auc": lr["roc_auc"],
            "one_way": hist["one_way"], "two_way": hist["two_way"], "positive_rate": said["positive_rate"],
            "invalid_cells": said["invalid_cells"], "rows": said["rows"]}
