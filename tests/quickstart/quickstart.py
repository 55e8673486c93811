"""A pandas table to a running dp2stage server, and a synthetic one back.

    DP2STAGE_SERVER=http://127.0.0.1:8080 DP2STAGE_KEY=dp2_... python3 tests/quickstart/quickstart.py

Needs requests and pandas; `make quickstart` runs it against a server of its own.
"""

import uuid

import pandas as pd

rows = range(2000)
table = pd.DataFrame({
    "age": [18 + i * 31 % 80 for i in rows],
    "ward": [["north", "middle", "south"][i * 7 % 3] for i in rows],
    "ill": [["no", "yes"][i % 97 > 60] for i in rows],
})
name = f"ward-{uuid.uuid4().hex[:8]}"

# --- core
import io, os, requests, uuid
import pandas as pd

server = os.environ.get("DP2STAGE_SERVER", "http://127.0.0.1:8080")
api = requests.Session()
if key := os.environ.get("DP2STAGE_KEY"):    # none with `serve --dev`
    api.headers["Authorization"] = f"Bearer {key}"

def ask(method, path, **more):
    answer = api.request(method, server + path, timeout=120, **more)
    if not answer.ok:    # application/problem+json: `code` is stable, `detail` says what to do
        raise SystemExit(f"{answer.status_code} {answer.json()['code']}: {answer.json()['detail']}")
    return answer

# What you declare is public: write the schema yourself, or begin with POST /v1/schema-proposals.
schema = {"target": "ill", "columns": [
    {"name": "age", "type": "integer", "min": 18, "max": 99},
    {"name": "ward", "type": "categorical", "categories": ["north", "middle", "south"]},
    {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}]}
ask("POST", "/v1/datasets", json={"name": name, "schema": schema, "rows_public": 2000,
                                  "budget": {"epsilon": 3, "delta": 1e-5}})
ask("PUT", f"/v1/datasets/{name}/rows", data=table.to_csv(index=False).encode(),
    headers={"Content-Type": "text/csv"})

# With an Idempotency-Key a repetition makes no second job, and spends nothing twice.
wanted = {"dataset": name, "epsilon": 1, "method": {"generator": "distribution"}}
job = ask("POST", "/v1/jobs", json=wanted, headers={"Idempotency-Key": str(uuid.uuid4())}).json()
while job["finished_at"] is None:
    job = ask("GET", f"/v1/jobs/{job['id']}?wait=25").json()
if job["status"] != "succeeded":
    raise SystemExit(f"the job {job['status']}: {job['error']}")

synthetic = pd.read_csv(io.BytesIO(ask("GET", f"/v1/jobs/{job['id']}/synthetic").content))
budget = ask("GET", f"/v1/datasets/{name}/budget").json()
# --- end

assert list(synthetic.columns) == list(table.columns) and (synthetic.dtypes == table.dtypes).all()
assert synthetic["age"].between(18, 99).all() and set(synthetic["ward"]) <= set(table["ward"])
print(f"{len(synthetic)} synthetic rows; {budget['spent']:.0%} of the budget is spent")
print(synthetic.groupby("ward")["age"].describe()[["count", "mean", "std"]].round(1))
