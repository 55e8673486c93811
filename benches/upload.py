#!/usr/bin/env python3
"""Uploads a large CSV with curl to a server of its own, beside `cat` into a file and `sha256sum`.

  benches/upload.py [GIB] [PROGRAM]     e.g. benches/upload.py 2 target/release/dp2stage

Prints wall seconds of each and CPU seconds and peak resident memory of the server; writes nothing else. The goal: less
than 256 MiB, and no more than twice what `cat` and `sha256sum` take together. Wants curl and PostgreSQL's programs
(PG_BIN_DIR where they are not found by themselves), and three times GIB of free disk in $TMPDIR.
"""
import json, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, urllib.request

root = pathlib.Path(__file__).resolve().parent.parent
size = int(float(sys.argv[1]) * 2**30) if len(sys.argv) > 1 else 2 * 2**30
program = sys.argv[2] if len(sys.argv) > 2 else root / "target/release/dp2stage"

COLUMNS = [
    {"name": "age", "type": "integer", "min": 18, "max": 99},
    {"name": "weight", "type": "number", "min": 30, "max": 200, "step": 0.1},
    {"name": "ward", "type": "categorical", "categories": ["cardiology", "surgery", "oncology", "neurology"]},
    {"name": "admitted", "type": "datetime", "min": "2020-01-01", "max": "2025-12-31", "step": "1d"},
    {"name": "stay", "type": "integer", "min": 0, "max": 365},
    {"name": "payer", "type": "categorical", "categories": ["public", "private", "none"]},
    {"name": "ill", "type": "categorical", "categories": ["no", "yes"]},
]


def rows():
    """About a megabyte of rows that differ; repeated, since only the parser looks at them."""
    wards, payers = COLUMNS[2]["categories"], COLUMNS[5]["categories"]
    lines = []
    for i in range(22_000):
        day = f"{2020 + i % 6}-{1 + i % 12:02}-{1 + i * 7 % 28:02}"
        lines.append(f"{18 + i * 31 % 82},{30 + i * 17 % 1700 / 10:.1f},{wards[i * 7 % 4]},{day},{i * 13 % 366},"
                     f"{payers[i * 5 % 3]},{'yes' if i % 3 else 'no'}\n")
    return "".join(lines).encode()


def timed(command, **options):
    began = time.time()
    subprocess.run(command, check=True, **options)
    return time.time() - began


def proc(pid):
    """Peak resident MiB and CPU seconds so far."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return peak, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dp2stage-upload."))
    os.chmod(folder, 0o711)
    server = None
    try:
        table, block = folder / "table.csv", rows()
        with open(table, "wb") as out:
            out.write(",".join(column["name"] for column in COLUMNS).encode() + b"\n")
            for _ in range(size // len(block)):
                out.write(block)
        bytes_ = table.stat().st_size
        # Each reads a file that was just written or read: the page cache is as warm for all.
        copy = timed(["sh", "-c", f"cat {table} > {folder}/copy"])
        synced = copy + timed(["sync", f"{folder}/copy"])
        os.remove(folder / "copy")
        digest = timed(["sha256sum", table], stdout=subprocess.DEVNULL)
        environment = dict(os.environ, DP2STAGE__WORKERS__LOCAL="0", DP2STAGE__LOG__FILTER="warn")
        environment.pop("DATABASE_URL", None)
        command = [program, "--state-dir", folder / "state", "serve", "--dev", "--bind", "127.0.0.1:0"]
        server = subprocess.Popen([str(c) for c in command], env=environment, stdout=subprocess.PIPE, text=True, cwd="/")
        base = server.stdout.readline().split()[-1]
        declared = {"name": "big", "schema": {"columns": COLUMNS, "target": "ill"}, "rows_public": 1000,
                    "budget": {"epsilon": 1, "delta": 1e-6}}
        request = urllib.request.Request(f"{base}/v1/datasets", json.dumps(declared).encode(),
                                         {"Content-Type": "application/json"})
        urllib.request.urlopen(request).read()
        peak_before, cpu_before = proc(server.pid)
        began = time.time()
        answer = subprocess.run(["curl", "-sS", "-T", str(table), f"{base}/v1/datasets/big/rows",
                                 "-H", "Content-Type: text/csv"], capture_output=True, text=True, check=True).stdout
        upload = time.time() - began
        peak, cpu = proc(server.pid)
        stored = json.loads(answer)
        assert "rows" in stored, answer
        print(f"{bytes_ / 1e9:.3f} GB, {stored['rows']} rows")
        print(f"cat into a file: {copy:.1f} s ({synced:.1f} s until it is on disk, as an upload is); "
              f"sha256sum: {digest:.1f} s; together {copy + digest:.1f} s")
        print(f"upload: {upload:.1f} s wall ({bytes_ / 1e6 / upload:.0f} MB/s), {cpu - cpu_before:.1f} s CPU of the server; "
              f"peak {peak:.0f} MiB resident, {peak_before:.0f} MiB before")
        print(f"upload / (cat + sha256sum) = {upload / (copy + digest):.2f} (goal: 2.00)")
    finally:
        if server:
            server.send_signal(signal.SIGTERM)
            server.wait()
        shutil.rmtree(folder)


main()
