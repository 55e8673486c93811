#!/usr/bin/env python3
"""Runs `dp2stage demo` on a table several times and judges each synthetic table from outside.

  benches/demo.py DATA NAME [RUNS]     e.g. benches/demo.py ../shared/data adult 3

DATA holds NAME_train.csv, NAME_test.csv and NAME_schema.json; the judge is ../shared/eval/evaluate.py,
run by $PYTHON (pandas, scikit-learn, xgboost). Prints one line a run and the means: wall seconds, CPU
seconds, peak memory of the server and of the worker, and the judge's figures.
"""
import json, os, pathlib, resource, subprocess, sys, tempfile, time

root = pathlib.Path(__file__).resolve().parent.parent
program = root / "target/release/dp2stage"
judge = root / "../shared/eval/evaluate.py"


def peak(pid):
    """Peak resident memory of a process in MiB, 0 when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0.0)


def workers(pid):
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", " work "], capture_output=True, text=True)
    return found.stdout.split()


def run(data, name):
    with tempfile.TemporaryDirectory() as out:
        schema = f"{data}/{name}_schema.json"
        command = [program, "demo", f"{data}/{name}_train.csv", "--schema", schema, "--out", out, "--epsilon", "1"]
        used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
        demo = subprocess.Popen([str(c) for c in command] + sys.argv[4:], stdout=subprocess.PIPE, text=True)
        server = worker = 0.0
        while demo.poll() is None:
            server = max(server, peak(demo.pid))
            worker = max([worker] + [peak(w) for w in workers(demo.pid)])
            time.sleep(0.1)
        wall, now = time.time() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if demo.returncode:
            sys.exit(demo.stdout.read())
        target = json.load(open(schema))["target"]
        judged = subprocess.run(
            [os.environ.get("PYTHON", "python3"), judge, "--real-train", f"{data}/{name}_train.csv", "--real-test",
             f"{data}/{name}_test.csv", "--synthetic", f"{out}/synthetic.csv", "--target", target, "--schema", schema],
            capture_output=True, text=True, check=True)
        j = json.loads(judged.stdout)
        own = json.load(open(f"{out}/report.json"))
        return {
            "wall s": wall, "CPU s": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
            "server MiB": server, "worker MiB": worker, "invalid": j["invalid_cells"],
            "1-way": j["hist"]["one_way"], "2-way": j["hist"]["two_way"],
            "LR AUC": j["ml"]["lr"]["roc_auc"], "LR F1": j["ml"]["lr"]["f1"],
            "XGB AUC": j["ml"]["xgb"]["roc_auc"], "XGB F1": j["ml"]["xgb"]["f1"],
            "own 1-way": own["one_way"]["mean"], "own LR AUC": own["efficacy"]["logistic"]["synthetic"]["roc_auc"],
        }


def main():
    data, name = sys.argv[1], sys.argv[2]
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    results = []
    for i in range(runs):
        results.append(run(data, name))
        print(f"run {i + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in results[-1].items()), flush=True)
    means = {k: sum(r[k] for r in results) / runs for k in results[0]}
    print("mean:  " + ", ".join(f"{k} {v:.4g}" for k, v in means.items()))


main()
