"""The dashboard in a real Chromium, by a person's way through it. `make browser` runs it.

    dashboard.py PROGRAM [--shots FOLDER]

It starts PROGRAM with a database of its own and small settings, and drives the browser: from a first upload to the
download, an exhausted budget, a refused upload, a phone, the keyboard alone. Everything that a page says on its console, and
every request to another host, is a failure.
"""

import csv
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

from playwright.sync_api import expect, sync_playwright

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
SHOTS = pathlib.Path(sys.argv[sys.argv.index("--shots") + 1]) if "--shots" in sys.argv else None
CHROMIUM = os.environ["CHROMIUM"]
PHONE = {"width": 360, "height": 740}
expect.set_options(timeout=20_000)


def table(rows=600):
    """A clinic's table."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["patient", "age", "ward", "admitted", "cost", "ill"])
    for i in range(rows):
        ward = "abc"[i * 7 % 3]
        out.writerow([f"P{i // 2:05}", 18 + i * 31 % 80, ward, f"2024-{1 + i % 12:02}-{1 + i % 28:02}",
                      f"{20 + i * 13 % 900 / 10:.1f}", "yes" if ward == "b" else "no"])
    return text.getvalue()


class Server:
    """The program, with keys or without."""

    def __init__(self, folder, *flags):
        environment = dict(os.environ, DP2STAGE__LOG__FILTER="warn", DP2STAGE__WORKERS__LOCAL="1", DP2STAGE__WORKERS__THREADS="1")
        for name in ("DATABASE_URL",):
            environment.pop(name, None)
        command = [str(PROGRAM), "--state-dir", str(folder), "serve", "--bind", "127.0.0.1:0", *flags]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd="/")
        self.base, self.key = None, None
        while self.base is None or (self.key is None and "--dev" not in flags):
            line = self.process.stdout.readline()
            assert line, "the server ended"
            self.base = self.base or next(iter(re.findall(r"listens on (\S+)", line)), None)
            self.key = self.key or next(iter(re.findall(r"dp2_\w+", line)), None)

    def ask(self, method, path, body=None, key=None):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key or self.key}"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers, method=method)) as answer:
            return json.loads(answer.read() or b"null")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Visitor:
    """A browser's window, in which nothing may go wrong unseen."""

    def __init__(self, browser, base, **options):
        self.context = browser.new_context(base_url=base, accept_downloads=True, **options)
        self.page, self.base, self.faults, self.allowed = self.context.new_page(), base, [], []
        self.page.on("console", lambda m: self.say(f"console {m.type}: {m.text}") if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.say(f"script: {error}"))
        self.page.on("request", self.look)

    def say(self, fault):
        # A refusal that a test provokes is told of by the browser, with its status.
        if not any(f"status of {status}" in fault for status in self.allowed):
            self.faults.append(fault)

    def look(self, request):
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.faults.append(f"a request elsewhere: {request.url}")

    def sign_in(self, key):
        self.allowed.append(401)
        self.page.goto("/")
        self.page.get_by_label("Key", exact=True).fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        self.allowed.remove(401)

    def shot(self, name):
        if SHOTS:
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def fits(self, what):
        """No page is wider than its window, whatever is in it."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{what} is {wide} pixels wider than the window"

    def close(self):
        self.context.close()
        assert not self.faults, self.faults


def newcomer(browser, server, folder):
    """From a table to a synthetic one, without having read anything."""
    visitor = Visitor(browser, server.base)
    page = visitor.page
    visitor.sign_in(server.key)
    expect(page.get_by_text("There is no dataset yet")).to_be_visible()
    visitor.shot("empty")
    page.get_by_role("link", name="Upload a table").click()
    visitor.shot("upload-1")
    (folder / "clinic.csv").write_text(table())
    page.get_by_label("Choose a CSV file").set_input_files(folder / "clinic.csv")
    expect(page.get_by_text("What you declare is public.")).to_be_visible()
    ages = page.get_by_role("group", name="age")
    expect(ages.get_by_label("From")).to_have_value("10")
    ages.get_by_label("To", exact=True).fill("120")
    expect(page.get_by_role("group", name="admitted").get_by_label("From")).to_have_value("2024-01-01")
    page.get_by_label("Each person").check()
    page.get_by_label("Column that says whose row it is").select_option("patient")
    expect(page.get_by_role("group", name="patient")).to_be_hidden()
    page.get_by_label("Rows that count of one person").fill("2")
    page.get_by_label("Target").select_option("ill")
    expect(page.get_by_label("Name of the dataset")).to_have_value("clinic")
    visitor.shot("upload-2")
    page.get_by_role("button", name="Declare and upload").click()
    page.wait_for_url("**/datasets/*")
    expect(page.get_by_text("has 600 rows")).to_be_visible()
    expect(page.get_by_text("of the budget, of which 100 % is left")).to_be_visible()
    expect(page.get_by_text("how often a value occurs is off by")).to_be_visible()
    visitor.shot("dataset-new")
    page.get_by_label("Epsilon of this job").fill("200")
    expect(page.get_by_text("does not fit: choose a smaller epsilon")).to_be_visible()
    page.get_by_label("Epsilon of this job").fill("1")
    expect(page.get_by_text("fits", exact=True)).to_be_visible()
    page.get_by_label("Synthetic rows").fill("300")
    page.get_by_role("button", name="Start the job").click()
    page.wait_for_url("**/jobs/*")
    job = page.url
    expect(page.locator(".stages .now")).to_be_visible(timeout=60_000)
    visitor.shot("job-running")
    expect(page.get_by_role("link", name="Download the table")).to_be_visible(timeout=400_000)
    visitor.shot("job-done")
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download the table").click()
    rows = list(csv.DictReader(open(coming.value.path())))
    assert len(rows) == 300 and set(rows[0]) == {"age", "ward", "admitted", "cost", "ill"}, rows[:2]
    page.get_by_role("link", name="Read the report").click()
    expect(page.get_by_role("heading", name="The formal promise")).to_be_visible()
    page.goto(job)
    page.get_by_role("link", name="clinic").click()
    expect(page.get_by_role("img", name=re.compile("^Budget: .* spent"))).to_be_visible()
    visitor.shot("dataset")
    page.get_by_role("link", name="Compare the jobs that succeeded").click()
    expect(page.get_by_role("heading", name="Jobs of clinic: comparison")).to_be_visible()
    page.goto("/workers")
    expect(page.get_by_role("cell", name="idle")).to_be_visible()
    page.goto("/audit")
    expect(page.get_by_text("POST /v1/jobs").first).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("link", name="clinic").first).to_be_visible()
    visitor.shot("overview")
    visitor.allowed.append(401)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    visitor.close()
    return job.removeprefix(server.base)


def refused_upload(browser, server, folder):
    """A table that is not as declared: the page says where, and goes on once it is mended."""
    visitor = Visitor(browser, server.base)
    page = visitor.page
    visitor.sign_in(server.key)
    page.goto("/upload")
    visitor.allowed.append(422)
    (folder / "semicolons.csv").write_text("a;b\n1;2\n")
    page.get_by_label("Choose a CSV file").set_input_files(folder / "semicolons.csv")
    expect(page.get_by_text("The columns are separated by semicolons: separate them by commas.")).to_be_visible()
    (folder / "wards.csv").write_text("age,ward\n" + "".join(f"{20 + i % 60},{'xyz'[i % 3]}\n" for i in range(200)))
    page.get_by_label("Choose a CSV file").set_input_files(folder / "wards.csv")
    wards = page.get_by_role("group", name="ward").get_by_label("Categories")
    expect(wards).to_have_value("x\ny\nz")
    wards.fill("x\ny")
    page.get_by_role("button", name="Declare and upload").click()
    expect(page.get_by_text('Column "ward", rows 3, 6, 9, 12 and 16 more: is not one of')).to_be_visible()
    expect(page.get_by_text("Nothing was stored")).to_be_visible()
    visitor.shot("upload-refused")
    wards.fill("")
    page.get_by_role("button", name="Declare and upload").click()
    expect(page.get_by_text("List the values that may occur")).to_be_visible()
    expect(wards).to_be_focused()
    wards.fill("x\ny\nz")
    page.get_by_label("Budget: delta").fill("0.09")
    page.get_by_role("button", name="Declare and upload").click()
    expect(page.get_by_text("Delta must be below")).to_be_visible()
    expect(page.get_by_label("Budget: delta")).to_be_focused()
    page.get_by_label("Budget: delta").fill("1e-6")
    page.get_by_role("button", name="Declare and upload").click()
    page.wait_for_url("**/datasets/*")
    expect(page.get_by_text("has 200 rows")).to_be_visible()
    visitor.close()


def exhausted(browser, server):
    """More than is left: the page says how much would fit, and a custodian grants more."""
    visitor = Visitor(browser, server.base)
    page = visitor.page
    visitor.sign_in(server.key)
    page.goto("/datasets/wards")
    expect(page.get_by_text("of the budget, of which")).to_be_visible()
    page.get_by_label("Epsilon of this job").fill("50")
    visitor.allowed.append(409)
    page.get_by_role("button", name="Start the job").click()
    expect(page.get_by_text("The largest epsilon that fits is")).to_be_visible(timeout=60_000)
    expect(page.get_by_label("Epsilon of this job")).to_be_focused()
    visitor.shot("exhausted")
    page.get_by_text("Grant more").click()
    page.get_by_label("New epsilon of the whole budget").fill("0.5")
    visitor.allowed.append(422)
    page.get_by_role("button", name="Grant it").click()
    expect(page.locator("#grant-fault")).not_to_be_empty()
    page.get_by_label("New epsilon of the whole budget").fill("5")
    page.get_by_role("button", name="Grant it").click()
    expect(page.get_by_text("epsilon 5", exact=True)).to_be_visible()
    visitor.close()


def analyst(browser, server):
    """An analyst sees jobs and budgets, and nothing to upload with."""
    key = server.ask("POST", "/v1/keys", {"role": "analyst"})
    visitor = Visitor(browser, server.base)
    page = visitor.page
    visitor.sign_in(next(value for value in key.values() if str(value).startswith("dp2_")))
    expect(page.get_by_role("link", name="Upload")).to_have_count(0)
    page.get_by_role("link", name="clinic").first.click()
    expect(page.get_by_role("button", name="Start the job")).to_be_visible()
    expect(page.locator('input[type="file"]')).to_have_count(0)
    expect(page.get_by_text("has 600 rows")).to_have_count(0)
    visitor.shot("analyst")
    visitor.close()


def everywhere(browser, server, job):
    """Light and dark, wide and narrow: no page is wider than its window."""
    for scheme in ("light", "dark"):
        for name, size in (("wide", {"width": 1200, "height": 800}), ("phone", PHONE)):
            visitor = Visitor(browser, server.base, color_scheme=scheme, viewport=size, reduced_motion="reduce")
            visitor.allowed.append(401)
            visitor.page.goto("/")
            visitor.fits("the entrance")
            visitor.shot(f"{scheme}-{name}-entrance")
            visitor.sign_in(server.key)
            dataset = visitor.page.get_by_role("link", name="clinic").first.get_attribute("href")
            for place, path in {"overview": "/", "dataset": dataset, "job": job, "jobs": "/jobs", "upload": "/upload",
                                "workers": "/workers", "audit": "/audit"}.items():
                visitor.page.goto(path)
                visitor.page.wait_for_load_state("networkidle")
                visitor.fits(f"{place}, {scheme} {name}")
                visitor.shot(f"{scheme}-{name}-{place}")
            visitor.page.goto("/upload")
            visitor.page.get_by_label("Choose a CSV file").set_input_files({"name": "t.csv", "mimeType": "text/csv", "buffer": table().encode()})
            expect(visitor.page.get_by_role("group", name="age")).to_be_visible()
            visitor.fits(f"the schema's editor, {scheme} {name}")
            visitor.shot(f"{scheme}-{name}-schema")
            visitor.close()


def keyboard(browser, server):
    """From the entrance to a started and cancelled job without a mouse; the focus is always seen."""
    visitor = Visitor(browser, server.base)
    page = visitor.page
    visitor.allowed.append(401)
    page.goto("/")
    page.keyboard.type(server.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    def to(locator, most=80):
        for _ in range(most):
            page.keyboard.press("Tab")
            if locator.evaluate("element => element === document.activeElement"):
                style = locator.evaluate("element => getComputedStyle(element).outlineStyle")
                assert style != "none", "the focus cannot be seen"
                return
        raise AssertionError(f"{locator} is not reached by Tab")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    to(page.get_by_role("link", name="wards").first)
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets/*")
    to(page.get_by_label("Epsilon of this job"))
    page.keyboard.press("Control+A")
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*")
    page.once("dialog", lambda dialog: dialog.accept())
    to(page.get_by_role("button", name="Cancel the job"))
    page.keyboard.press("Enter")
    expect(page.locator("[data-state]")).to_have_text("cancelled", timeout=60_000)
    visitor.close()


def keyless(browser, folder):
    """With --dev nobody signs in."""
    server = Server(folder, "--dev")
    try:
        visitor = Visitor(browser, server.base)
        visitor.page.goto("/")
        expect(visitor.page.get_by_text("no sign-in (--dev)")).to_be_visible()
        visitor.page.get_by_role("link", name="Upload", exact=True).click()
        visitor.page.get_by_label("Choose a CSV file").set_input_files({"name": "t.csv", "mimeType": "text/csv", "buffer": table(80).encode()})
        expect(visitor.page.get_by_role("group", name="age")).to_be_visible()
        visitor.close()
    finally:
        server.stop()


def main():
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = pathlib.Path(scratch)
        # PostgreSQL runs as another account where this one is root.
        folder.chmod(0o711)
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        server = Server(folder / "state")
        job = None
        try:
            for test in (newcomer, refused_upload, exhausted, analyst, everywhere, keyboard):
                began = time.monotonic()
                wanted = {"browser": browser, "server": server, "folder": folder, "job": job}
                names = test.__code__.co_varnames[: test.__code__.co_argcount]
                job = test(**{name: wanted[name] for name in names}) or job
                print(f"{test.__name__}: {test.__doc__.splitlines()[0]} {time.monotonic() - began:.1f} s", flush=True)
        finally:
            server.stop()
        keyless(browser, folder / "dev")
        print("keyless: With --dev nobody signs in.")
        browser.close()


if __name__ == "__main__":
    main()
