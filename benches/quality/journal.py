"""Finished runs, one JSON line each. A run that is there is not made again."""
import json, pathlib

KEY = ("table", "variant", "epsilon", "repetition", "build")


class Journal:
    """The lines of one file."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = parse(self.path.read_text()) if self.path.exists() else []

    def has(self, key):
        """Whether a run is settled: measured, or refused. One that failed is tried again."""
        return any(line["outcome"] != "failed" and all(line[k] == key[k] for k in KEY) for line in self.lines)

    def add(self, line):
        with open(self.path, "a") as out:
            out.write(json.dumps(line) + "\n")
        self.lines = parse(self.path.read_text())  # another process may write to it, too


def parse(text):
    """The lines of a journal; one that was cut off in the writing is left out."""
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return [line for line in lines if all(k in line for k in KEY)]


def latest(lines):
    """By (table, variant, epsilon): the lines of the build that was measured last."""
    groups = {}
    for line in lines:
        groups.setdefault((line["table"], line["variant"], line["epsilon"]), []).append(line)
    return {key: [line for line in group if line["build"] == group[-1]["build"]] for key, group in groups.items()}
