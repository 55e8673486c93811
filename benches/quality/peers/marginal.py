#!/usr/bin/env python3
"""AIM or MST of smartnoise-synth on one table; runs in a virtual environment of its own (see ../peers.py).

  marginal.py aim|mst TRAIN.csv SCHEMA.json EPSILON DELTA OUT.csv

The mechanisms see codes: categories in the schema's order, numbers as the schema's public `edges` cut them. A sampled
bin becomes a uniform value in it. Prints one JSON object: seconds of fit and sampling, and the settings.
"""
import json, random, sys, time

import numpy as np
import pandas as pd

# The package's settings are 16 rounds a column and models of 80 MB: these are light, and theirs are at least as good.
AIM = {"rounds": 60, "max_model_size": 4}


def encode(table, schema):
    """Codes of all cells, and how many values each column has."""
    codes, sizes = {}, {}
    for column in schema["columns"]:
        name = column["name"]
        if column["type"] == "categorical":
            place = {value: i for i, value in enumerate(column["categories"])}
            codes[name] = table[name].map(place).to_numpy(np.int64)
            sizes[name] = len(place)
        else:
            edges = np.array(column["edges"])
            sizes[name] = len(edges) - 1
            number = table[name].astype(float).to_numpy()
            codes[name] = np.clip(np.searchsorted(edges, number, side="right") - 1, 0, sizes[name] - 1)
    return codes, sizes


def decode(codes, schema, rng):
    """A table of values again, a number drawn uniformly inside its bin."""
    out = {}
    for column in schema["columns"]:
        code = np.asarray(codes[column["name"]], dtype=np.int64)
        if column["type"] == "categorical":
            out[column["name"]] = np.array(column["categories"], dtype=object)[code]
            continue
        edges = np.array(column["edges"])
        low, high = edges[code], edges[code + 1]
        number = low + rng.random(len(code)) * (high - low)
        if column.get("integer"):
            first = np.ceil(low)
            number = first + np.floor(rng.random(len(code)) * np.maximum(np.ceil(high) - first, 1))
            number = number.astype(np.int64)
        out[column["name"]] = np.clip(number, column["min"], column["max"])
    return pd.DataFrame(out)


def aim(data, budget):
    """Rows of AIM's model."""
    import snsynth.aim.aim as module
    mechanism = module.AIMSynthesizer(*budget, verbose=True, **AIM)
    mechanism.rho = module.cdp_rho(*budget)
    mechanism.AIM(data, mechanism.get_workload(data, degree=2, max_cells=10000))
    return mechanism.synthesizer.synthetic_data(rows=data.records)


def mst(data, budget):
    """Rows of MST's model."""
    import snsynth.mst.mst as module

    class Mended(module.MSTSynthesizer):
        """Where rare values are merged, the package scales the measured sum and forgets to say so to the fit."""

        def compress_domain(self, data, measurements):
            sizes = {m.clique: m.noisy_measurement.size for m in measurements}
            table, merged, undo = super().compress_domain(data, measurements)
            return table, [self.told(m, sizes[m.clique]) for m in merged], undo

        @staticmethod
        def told(m, before):
            now = m.noisy_measurement.size
            if now == before:
                return m
            scale = np.ones(now)
            scale[-1] = 1 / np.sqrt(before - (now - 1) + 1.0)
            return module.LinearMeasurement(m.noisy_measurement, m.clique, m.stddev, lambda x: x.datavector() * scale)

    mechanism = Mended(*budget)
    mechanism.MST(data, *budget)
    return mechanism.undo_compress_fn(mechanism.synthesizer.synthetic_data(rows=data.records))


def fit(kind, codes, sizes, budget):
    """Synthetic codes by column, as many rows as there are."""
    from mbi import Dataset, Domain
    names = list(sizes)
    domain = Domain([f"c{i}" for i in range(len(names))], [sizes[name] for name in names])
    data = Dataset({f"c{i}": codes[name] for i, name in enumerate(names)}, domain)
    drawn = {"aim": aim, "mst": mst}[kind](data, budget).to_dict()
    return {name: drawn[f"c{i}"] for i, name in enumerate(names)}


def main():
    kind, train, schema, epsilon, delta, out = sys.argv[1:]
    schema = json.load(open(schema))
    words = {c["name"]: str for c in schema["columns"] if c["type"] == "categorical"}
    table = pd.read_csv(train, dtype=words, keep_default_na=False)
    codes, sizes = encode(table, schema)
    seed = random.SystemRandom().randrange(2**32)
    np.random.seed(seed)
    began = time.time()
    drawn = fit(kind, codes, sizes, (float(epsilon), float(delta)))
    seconds = time.time() - began
    decode(drawn, schema, np.random.default_rng(seed)).to_csv(out, index=False)
    print(json.dumps({"seconds": seconds, "settings": AIM if kind == "aim" else {}, "charged": float(epsilon)}))


if __name__ == "__main__":
    main()
