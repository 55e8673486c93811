#!/usr/bin/env python3
"""Measures variants of the method on tables and writes benches/QUALITY.md; `make quality` runs it.

  benches/quality/main.py [--table adult|airline|all] [--variants "U O"] [--epsilon "1 8"] [--seeds 3]
                          [--peers "AIM MST"] [--data FOLDER] [--judge FILE] [--program FILE]

Each finished run is one line of target/quality/runs.jsonl; what is there is not run again, so that the command can be
cut off and repeated. Runs are fresh draws: the service takes its noise from the system and has no seed.
"""
import argparse, datetime, os, pathlib, signal, subprocess, sys, tempfile, time

import check, job, judge, machine, page, peers, tables, variants
from journal import Journal
from service import Refused, Service

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments():
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said.add_argument("--table", default="all")
    said.add_argument("--variants", default="all")
    said.add_argument("--epsilon", default="1 8")
    said.add_argument("--seeds", type=int, default=3, help="repetitions of each run")
    said.add_argument("--peers", default="none", help="AIM, MST, MOSTLY, all or none")
    said.add_argument("--data", default=str(ROOT / "../shared/data"))
    said.add_argument("--judge", default=str(ROOT / "../shared/eval/evaluate.py"))
    said.add_argument("--program", default=str(ROOT / "target/release/dp2stage"))
    said.add_argument("--limit", type=float, default=3600, help="seconds that a job may take")
    said.add_argument("--page-only", action="store_true", help="write the page from the lines that are there")
    said.add_argument("--self-check", action="store_true", help="check this program, without a service or a network")
    return said.parse_args()


class Bench:
    """One run of this program."""

    def __init__(self, said):
        self.said, self.target = said, ROOT / "target"
        self.journal = Journal(self.target / "quality/runs.jsonl")
        self.commit = machine.commit(pathlib.Path(said.program).resolve().parent)
        self.service = None

    def settle(self, key, measure):
        """Makes one run unless it is there, and writes its line and the page."""
        if self.journal.has(key):
            return
        began, load = time.time(), os.getloadavg()[0]
        line = dict(key, commit=self.commit, machine=machine.line(), load=round(load, 2),
                    at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"))
        try:
            line.update(outcome="measured", **measure())
        except Refused as refused:
            line.update(outcome="refused", reason=str(refused))
        except (job.Failed, TimeoutError, RuntimeError, OSError, subprocess.SubprocessError) as error:
            line.update(outcome="failed", reason=str(error)[:400])
        self.journal.add(line)
        self.write()
        said = {k: round(v, 4) for k, v in line.items() if isinstance(v, float) and k not in ("epsilon", "load")}
        print(f"{key['table']} {key['variant']} epsilon {key['epsilon']:g} #{key['repetition']}: {line['outcome']} in "
              f"{time.time() - began:.0f} s {line.get('reason') or said}", flush=True)

    def write(self):
        (ROOT / "benches/QUALITY.md").write_text(page.page(self.journal.lines))

    def judged(self, table, synthetic):
        python = peers.environment(self.target / "quality-venv", "judge")
        return judge.judged(python, self.said.judge, table, synthetic)

    def own(self, variant, table, epsilon):
        """One job of the service, judged."""
        if variant == "real":
            return self.judged(table, table.train)
        other = tables.Table(self.said.data, tables.OTHER[table.name])
        measured, synthetic = job.run(self.service, variant, (table, other), epsilon, self.said.limit)
        with tempfile.NamedTemporaryFile(suffix=".csv") as out:
            out.write(synthetic)
            out.flush()
            return {**measured, **self.judged(table, out.name)}

    def peer(self, name, table, epsilon):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "synthetic.csv"
            told = peers.run(name, self.target, table, epsilon, out)
            return {**told, **self.judged(table, out)}

    def variants(self, table):
        """All chosen variants of the service on one table, by a server that lives as long."""
        if not list(self.wanted()):
            return
        with Service(self.said.program, self.target / "quality/serve.log") as self.service:
            program = machine.build(self.said.program)
            for repetition in range(self.said.seeds):
                for variant, epsilon in self.wanted():
                    once = variant in variants.WITHOUT_EPSILON
                    key = {"table": table.name, "variant": variant, "epsilon": epsilon, "repetition": repetition,
                           "build": "judge" if variant == "real" else f"{program}.{variants.digest(variant)}"}
                    if not (once and repetition) and not self.refused(key):
                        self.settle(key, lambda v=variant, e=epsilon: self.own(v, table, e))

    def wanted(self):
        for variant in variants.chosen(self.said.variants):
            if variant in variants.WITHOUT_EPSILON:
                yield variant, 0.0
            else:
                yield from ((variant, float(epsilon)) for epsilon in self.said.epsilon.split())

    def refused(self, key):
        """Whether the same build refused this request before: it will again."""
        return self.journal.has(dict(key, repetition=0)) and any(
            line["outcome"] == "refused" and all(line[k] == key[k] for k in ("table", "variant", "epsilon", "build"))
            for line in self.journal.lines)

    def run(self):
        for table in tables.chosen(self.said.data, self.said.table):
            self.variants(table)
            for name in peers.chosen(self.said.peers):
                for epsilon in map(float, self.said.epsilon.split()):
                    key = {"table": table.name, "variant": name, "epsilon": epsilon, "repetition": 0,
                           "build": peers.build(name)}
                    self.settle(key, lambda n=name, e=epsilon: self.peer(n, table, e))
        self.write()


def main():
    said = arguments()
    if said.self_check:
        sys.exit(check.run())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server goes, too
    bench = Bench(said)
    if said.page_only:
        return bench.write()
    bench.run()


if __name__ == "__main__":
    main()
