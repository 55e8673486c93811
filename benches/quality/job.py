"""One job as a user runs it: declare, upload, submit, wait, download."""
import datetime, time, uuid

from service import Refused
from variants import OWN, PUBLIC, VARIANTS


class Failed(Exception):
    """A job that ended without a table."""


def declare(service, table, budget):
    """A dataset with a population, and so a budget, of its own; `budget` None declares it public."""
    body = {"name": f"{table.name}-{uuid.uuid4().hex[:8]}", "schema": table.schema, "rows_public": table.rows,
            "holdout": 0}  # the judge has test rows of its own: all of these are for training, as with the peers
    body.update({"access": "public"} if budget is None else {"budget": budget})
    dataset = service.post("/v1/datasets", body)["id"]
    service.call("PUT", f"/v1/datasets/{dataset}/rows", table.train.read_bytes(), "text/csv")
    return dataset


def moment(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def charged(service, dataset, public):
    """What the ledger says was spent: the epsilon of all that was charged, exactly composed."""
    if public:
        return {"charged": 0.0}
    budget = service.get(f"/v1/datasets/{dataset}/budget")
    paid = [entry for entry in budget["entries"] if entry["kind"] == "charge"]
    return {"charged": budget["epsilon_if_preplanned"] if paid else 0.0, "share": budget["spent"]}


def pace(service, path):
    """Seconds for 1,000 more rows of the finished model; the first call loads it and does not count."""
    try:
        for _ in range(2):
            began = time.time()
            service.call("POST", path + "/samples", {"rows": 1000})
        return time.time() - began
    except Refused:
        return None  # not every generator answers such requests


def perplexity(report):
    """Perplexities, where the report tells them."""
    told = (report.get("language") or {}).get("perplexity") or report.get("perplexity") or {}
    found = {"values": told.get("values"), "keys": (told.get("names") or {}).get("names")}
    return {f"perplexity_{part}": value for part, value in found.items() if isinstance(value, float)}


def run(service, variant, tables, epsilon, limit):
    """The measures of one job and the bytes of its table. `tables`: the table, and the other one for -O."""
    table, other = tables
    method, needs, _ = VARIANTS[variant]
    grant = None if needs == OWN else {"epsilon": epsilon, "delta": table.delta}
    dataset = declare(service, table, grant)
    method = dict(method)
    if needs == PUBLIC:
        method["public_dataset"] = declare(service, other, None)
    request = {"dataset": dataset, "epsilon": epsilon or 1}  # where nothing is spent, it means nothing
    if method:
        request["method"] = method
    used = service.cpu()
    job = service.post("/v1/jobs", request)
    path = f"/v1/jobs/{job['id']}"
    job = service.wait(path, limit)
    if job["status"] != "succeeded":
        raise Failed(f"{job['status']}: {job.get('error')}")
    measured = {"seconds": moment(job["finished_at"]) - moment(job["created_at"]), "cpu_seconds": service.cpu() - used}
    report = service.get(path + "/report")
    measured.update(
        pace=pace(service, path), generator=report.get("generator"), **charged(service, dataset, needs == OWN),
        **perplexity(report))
    synthetic = service.call("GET", path + "/synthetic")
    service.call("DELETE", f"/v1/datasets/{dataset}")
    return measured, synthetic
