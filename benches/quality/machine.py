"""Where and with what something was measured."""
import hashlib, os, pathlib, subprocess


def line():
    """The machine in words."""
    info = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((row.split(":")[1].strip() for row in info if row.startswith("model name")), "unknown processor")
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{os.cpu_count()} cores of {name}, {memory:.0f} GiB, no GPU used"


def build(program):
    """What tells one build from another: the start of the binary's SHA-256."""
    return hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()[:12]


def commit(folder):
    """The commit of the checkout that a folder lies in, with a mark when it was changed since."""
    def git(*words):
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "Cargo.lock", "migrations")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")
