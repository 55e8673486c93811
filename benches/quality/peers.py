"""Other programs in the same harness, each in a virtual environment of its own from PyPI."""
import hashlib, json, pathlib, resource, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent

# name: (environment, its packages, the program with its words, a line for readers)
PEERS = {
    "AIM": ("marginal", "aim", "AIM, smartnoise-synth 1.0.8 on mbi 1.1.0"),
    "MST": ("marginal", "mst", "MST, the same packages"),
    "MOSTLY": ("mostly", "", "MOSTLY AI engine 2.7.3, TabularARGN with differential privacy"),
}
# smartnoise-synth asks for an opacus that its marginal mechanisms do not use: its own list is not followed.
ENVIRONMENTS = {
    "marginal": [["--no-deps", "mbi==1.1.0", "smartnoise-synth==1.0.8"],
                 ["numpy", "pandas", "scipy", "networkx", "disjoint-set<0.10", "smartnoise-sql", "Faker", "attrs",
                  "jax", "chex", "optax"]],
    "mostly": [["mostlyai-engine==2.7.3"]],
    "judge": [["numpy", "scipy", "pandas", "scikit-learn", "xgboost"]],
}


def chosen(word):
    names = [] if word in ("", "none") else list(PEERS) if word == "all" else word.split()
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise SystemExit(f"no such peer: {' '.join(unknown)}; there are {' '.join(PEERS)}")
    return names


def environment(folder, name):
    """The Python of a virtual environment, made when it is not there."""
    python = folder / "bin/python"
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {name} into {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for packages in ENVIRONMENTS[name]:
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        ready.write_text("")
    return python


def run(name, target, table, epsilon, out):
    """Makes one synthetic table at `out`; what the program says of itself."""
    kind, word, _ = PEERS[name]
    python = environment(target / "quality-peers" / kind, kind)
    command = [python, HERE / "peers" / f"{kind}.py", *([word] if word else []), table.train, table.schema_path,
               epsilon, table.delta, out]
    used = cpu()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "cpu_seconds": cpu() - used}


def cpu():
    """CPU seconds of all programs that this one ran and that are over."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build(name):
    """What tells one way of running a peer from another."""
    kind = PEERS[name][0]
    text = (HERE / "peers" / f"{kind}.py").read_text() + repr(ENVIRONMENTS[kind])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
