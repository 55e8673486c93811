"""Checks of this program that need no service, no network and no package: `benches/quality/main.py --self-check`."""
import json, pathlib, tempfile

import cells, job, journal, machine, page, peers, tables, variants


def sample(variant, repetition, build, **more):
    return {"table": "adult", "variant": variant, "epsilon": 1.0, "repetition": repetition, "build": build,
            "outcome": "measured", "at": "now", "commit": "abc", "machine": "a machine", "load": 0.1,
            "xgb_f1": .6 + .02 * repetition, "xgb_auc": .9, "lr_f1": .5, "lr_auc": .8, "one_way": .98, "two_way": .96,
            "positive_rate": .24, "invalid_cells": 0, "seconds": 30.0, "pace": .05, "charged": .98, **more}


def check_cells():
    assert cells.number(0.1234, 3) == ".123" and cells.number(1.0, 3) == "1.000" and cells.number(1234.5, 0) == "1,234"
    lines = [{"a": .5}, {"a": .7}, {"b": 1}]
    assert cells.cell(lines, "a", 3) == ".600 ± .141"
    assert cells.cell(lines, "b", 1) == "1.0" and cells.cell(lines, "c", 1) == ""


def check_journal():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/runs.jsonl"
        first = journal.Journal(path)
        first.add(sample("U", 0, "one"))
        first.add(sample("U", 1, "one", outcome="failed", reason="lost"))
        with open(path, "a") as cut:
            cut.write('{"table": "adu')
        again = journal.Journal(path)
        assert len(again.lines) == 2
        assert again.has(sample("U", 0, "one")) and not again.has(sample("U", 1, "one"))
        assert not again.has(sample("U", 0, "two"))


def check_page():
    lines = [sample("U", 0, "old", xgb_f1=.1), sample("U", 0, "new"), sample("U", 1, "new"), sample("AIM", 0, "p"),
             sample("O", 0, "new", outcome="refused", reason="422 request_invalid: no | such word")]
    text = page.page(lines)
    assert "| U | 2 | .610 ± .014 | .900 |" in text, "the last build's runs, and only they"
    assert "| *AIM* | 1 | .600 |" in text and "no \\| such word" in text
    assert "| adult | 1 | U | 2 | .555 ± .007 |" in text and "*.212*" in text


class Stub:
    """A service that notes what it is asked and has finished every job."""

    def __init__(self):
        self.bodies = []

    def post(self, path, body):
        self.bodies.append((path, body))
        return {"id": f"id{len(self.bodies)}"}

    def get(self, path):
        entries = [{"kind": "grant"}, {"kind": "charge"}]
        return {"entries": entries, "epsilon_if_preplanned": .9, "spent": .8, "perplexity": {"values": 2.5}}

    def wait(self, _path, _limit):
        return {"status": "succeeded", "created_at": "2026-01-01T00:00:01.123456789Z",
                "finished_at": "2026-01-01T00:00:31Z"}

    def call(self, *_):
        return b"a\n1\n"

    def cpu(self):
        return 0.0


def check_job():
    with tempfile.TemporaryDirectory() as folder:
        for name in tables.DELTAS:
            pathlib.Path(folder, f"{name}_schema.json").write_text(json.dumps({"columns": []}))
            pathlib.Path(folder, f"{name}_train.csv").write_text("a\n1\n2\n")
        adult, airline = tables.chosen(folder, "all")
    assert adult.rows == 2
    adult.train = airline.train = Bytes()
    service = Stub()
    measured, synthetic = job.run(service, "O", (adult, airline), 1.0, 1)
    (_, own), (_, other), (path, request) = service.bodies
    assert own["budget"] == {"epsilon": 1.0, "delta": 1e-5} and other["access"] == "public" and "budget" not in other
    assert path == "/v1/jobs" and request["dataset"] == "id1" and request["method"]["public_dataset"] == "id2"
    assert synthetic == b"a\n1\n" and measured["charged"] == .9 and abs(measured["seconds"] - 29.876544) < 1e-5
    assert measured["perplexity_values"] == 2.5
    service = Stub()
    job.run(service, "non_private", (adult, airline), 0.0, 1)
    assert service.bodies[0][1]["access"] == "public" and service.bodies[1][1]["epsilon"] == 1


class Bytes:
    """A file without a file."""

    def read_bytes(self):
        return b""


def check_names():
    assert set(variants.STAGE1) <= set(variants.VARIANTS) and set(tables.OTHER) == set(tables.DELTAS)
    assert variants.chosen("U O") == ["U", "O"] and peers.chosen("none") == []
    assert machine.line() and all(kind in peers.ENVIRONMENTS for kind, _, _ in peers.PEERS.values())


def run():
    """Runs all checks; 0 when they hold."""
    for check in (check_cells, check_journal, check_page, check_job, check_names):
        check()
    print("the harness is in order")
    return 0
