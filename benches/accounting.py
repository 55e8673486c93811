"""The accountant beside Google's dp_accounting, case by case in one run.

    python3 -m venv venv && venv/bin/pip install dp-accounting
    cargo build --release && venv/bin/python benches/accounting.py target/release/dp2stage

Both are asked for the epsilon of every composition in tests/fixtures/accounting.json, one after the
other on one core: ours through `dp2stage account` (which computes the Renyi bound as well), Google's
through PLDAccountant with its pessimistic estimate at a discretisation of 1e-4.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import dp_accounting
from dp_accounting.pld import PLDAccountant

os.sched_setaffinity(0, {0})
fixture = Path(__file__).parent.parent / "tests/fixtures/accounting.json"
cases = [case for case in json.loads(fixture.read_text()) if case["kind"] == "epsilon"]
program = subprocess.Popen([sys.argv[1], "account"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ours(case):
    line = {key: case[key] for key in ("id", "delta", "events")}
    program.stdin.write(json.dumps(line) + "\n")
    program.stdin.flush()
    return json.loads(program.stdout.readline())["epsilon"]


def google(case):
    accountant = PLDAccountant(dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE, 1e-4)
    for event in case["events"]:
        step = dp_accounting.GaussianDpEvent(event["sigma"])
        if event["q"] < 1:
            step = dp_accounting.PoissonSampledDpEvent(event["q"], step)
        accountant.compose(step, event["steps"])
    return accountant.get_epsilon(case["delta"])


def timed(of, case):
    begun = time.perf_counter()
    epsilon = of(case)
    return epsilon, time.perf_counter() - begun


ours(cases[0])
rows = []
print(f"{'case':<12} {'exact, at least':>15} {'dp2stage':>12} {'ms':>9} {'dp_accounting':>14} {'ms':>9}")
for case in cases:
    (a, s), (b, t) = timed(ours, case), timed(google, case)
    rows.append((s, t, a / case["min"] - 1, b / case["min"] - 1))
    print(f"{case['id']:<12} {case['min']:>15.8f} {a:>12.8f} {1e3 * s:>9.2f} {b:>14.8f} {1e3 * t:>9.1f}", flush=True)
s, t, a, b = zip(*rows)
median, last = statistics.median, lambda times: sorted(times)[-1]
print(f"median: {1e3 * median(s):.2f} ms and {1e3 * median(t):.1f} ms, {median(t) / median(s):.0f} times; "
      f"median of the ratios {median(y / x for x, y in zip(s, t)):.0f}")
print(f"slowest: {1e3 * last(s):.1f} ms and {1e3 * last(t):.1f} ms")
print(f"above the exact value, median: {median(a):.1e} and {median(b):.1e}")
