"""benches/QUALITY.md, from the journal's lines."""
import json

from cells import COLUMNS, cell, number, table
from journal import latest
from peers import PEERS
from published import EARLIER, PAPER, QUOTED
from tables import DELTAS
from variants import STAGE1, VARIANTS, WITHOUT_EPSILON

METHOD = """\
Each run declares the table anew, with a budget of its own and no rows held out by the service, uploads the train
file, runs one job, downloads as many rows and has them judged from outside: logistic regression (LR) and boosted
trees (XGB) fitted on the synthetic rows and scored on the real test file, histogram intersection of columns (1-way)
and of pairs (2-way) with the train file. Cells are means ± standard deviations over runs, where there are several.
Noise comes from the system and the service has no seed: repetitions are simply repeated. `job s` is from submission
to the end, in the job's own words (for peers, fit and sampling); `load` is the machine's load average at the start,
so that seconds beside a load of one or more are upper ends; `CPU s` is what the programs used on all cores. `epsilon
charged` is what the ledger's charges come to, composed exactly (for peers, what they were asked for). `build` is the
start of the binary's SHA-256. Lines in italics are not ours."""

STAGE1_WORDS = """\
All parameters trained by DP-SGD after each kind of stage 1, on the small model. F1 and AUC are means of LR and XGB,
as the paper pools them. The paper (Afonja et al., TMLR 2025) trains GPT-2 at delta 1e-5, on splits of its own, and
compares histograms with test rows: its figures stand beside ours, they are not the same measurement. Our rows are
valid by construction, so that no time goes into rejected ones."""

PEER_WORDS = """\
Peers see the same train file and public schema; numbers are cut at the schema's `edges` for AIM and MST, and AIM's
settings are light (`benches/quality/peers`): its figures are a floor."""


def page(lines):
    """The whole page. Variants of other builds than the last one keep the figures of theirs."""
    groups = latest(lines)
    out = head(lines)
    for name in DELTAS:
        for epsilon in sorted({e for t, _, e in groups if t == name and e > 0}):
            out += ["", f"## {name.capitalize()}, epsilon {epsilon:g}, delta {DELTAS[name]:g}", ""]
            out += comparison(groups, name, epsilon)
    out += stage_one(groups) + refusals(groups) + legend()
    return "\n".join(out) + "\n"


def head(lines):
    own = [line for line in lines if line["variant"] in VARIANTS]
    out = ["# Quality", "", "Written by `make quality` from `target/quality/runs.jsonl`; not to be edited.", ""]
    if own:
        last = own[-1]
        out += [f"Last run {last['at']}, checkout at {last['commit']}, on {last['machine']}.", ""]
    return out + [METHOD]


def comparison(groups, name, epsilon):
    """Ours, peers and quoted figures on one table at one epsilon."""
    def figures(lines, keys=COLUMNS):
        return [cell(lines, key, COLUMNS[key][1]) for key in keys]

    rows = []
    for variant in VARIANTS:
        lines = groups.get((name, variant, 0.0 if variant in WITHOUT_EPSILON else epsilon), [])
        measured = [line for line in lines if line["outcome"] == "measured"]
        if measured:
            last = [cell(measured, "load", 1), measured[-1]["build"][:12]]
            rows.append([variant, str(len(measured)), *figures(measured), *last])
    for peer in PEERS:
        measured = [l for l in groups.get((name, peer, epsilon), []) if l["outcome"] == "measured"]
        if measured:
            rows.append([f"*{peer}*", str(len(measured)), *figures(measured), cell(measured, "load", 1), ""])
    for label, told in QUOTED.get((name, epsilon), []):
        quoted = [f"*{number(told[k], COLUMNS[k][1] + (told[k] < 2 and k == 'seconds'))}*" if k in told else ""
                  for k in COLUMNS]
        rows.append([f"*{label}; {EARLIER}*", "", *quoted, "", ""])
    return table(["variant", "runs", *(heading for heading, _ in COLUMNS.values()), "load", "build"], rows)


def stage_one(groups):
    """What stage 1 buys, beside the paper's own figures."""
    def pooled(line):
        both = {part: (line[f"xgb_{part}"] + line[f"lr_{part}"]) / 2 for part in ("f1", "auc")}
        return dict(line, **both)

    told = any("perplexity_values" in line for group in groups.values() for line in group)
    extra = [("perplexity_values", 3), ("perplexity_keys", 3)] if told else []
    rows = []
    for name in DELTAS:
        for epsilon in sorted({e for t, v, e in groups if t == name and v in STAGE1}):
            for variant in STAGE1:
                lines = [pooled(l) for l in groups.get((name, variant, epsilon), []) if l["outcome"] == "measured"]
                if not lines:
                    continue
                paper = PAPER.get((name, epsilon), {}).get(variant, (None,) * 4)
                quoted = [f"*{number(value, 3)}*" if value is not None else "" for value in paper[:3 + bool(told)]]
                ours = [cell(lines, k, d) for k, d in (("f1", 3), ("auc", 3), ("one_way", 3), *extra, ("pace", 2))]
                rows.append([name, f"{epsilon:g}" if epsilon else "none", variant, str(len(lines)), *ours, *quoted])
    if not rows:
        return []
    heading = ["table", "epsilon", "variant", "runs", "F1", "AUC", "histogram",
               *(["perplexity, values", "keys"] if told else []), "s / 1,000 valid rows",
               "*paper: F1*", "*AUC*", "*histogram*", *(["*perplexity, values*"] if told else [])]
    return ["", "## What stage 1 buys", "",
            STAGE1_WORDS, "", *table(heading, rows)]


def refusals(groups):
    """What did not run, and why."""
    rows = []
    for (name, variant, epsilon), lines in sorted(groups.items()):
        last = lines[-1]
        if last["outcome"] != "measured" and not any(line["outcome"] == "measured" for line in lines):
            reason = last["reason"].replace("|", "\\|").replace("\n", " ")
            rows.append([name, variant, f"{epsilon:g}", last["outcome"], reason])
    if not rows:
        return []
    return ["", "## Not measured", "", *table(["table", "variant", "epsilon", "outcome", "reason"], rows)]


def legend():
    rows = [[name, f"`{json.dumps(method)}`" if method is not None else "", meaning]
            for name, (method, _, meaning) in VARIANTS.items()]
    rows += [[f"*{name}*", "", meaning] for name, (_, _, meaning) in PEERS.items()]
    return ["", "## The variants", "", *table(["name", "`method`", "what it is"], rows), "",
            PEER_WORDS]
