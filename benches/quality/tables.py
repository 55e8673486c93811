"""The tables that are measured: NAME_train.csv, NAME_test.csv and NAME_schema.json in one folder."""
import json, pathlib

# A delta each, the power of ten below one over the number of rows, as `dp2stage demo` takes it.
DELTAS = {"adult": 1e-5, "airline": 9e-6}
# The public table that -O starts from.
OTHER = {"adult": "airline", "airline": "adult"}


class Table:
    """One table with its schema."""

    def __init__(self, folder, name):
        self.name, self.delta = name, DELTAS[name]
        base = pathlib.Path(folder)
        self.train, self.test, self.schema_path = (
            base / f"{name}_{part}" for part in ("train.csv", "test.csv", "schema.json"))
        self.schema = json.loads(self.schema_path.read_text())
        with open(self.train, "rb") as rows:
            self.rows = sum(1 for _ in rows) - 1


def chosen(folder, word):
    """The tables that a word names: a name, several, or `all`."""
    names = list(DELTAS) if word == "all" else word.split()
    return [Table(folder, name) for name in names]
