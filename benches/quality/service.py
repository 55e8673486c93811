"""A server of its own for the time of a benchmark, and the calls of its API."""
import json, os, pathlib, re, shutil, subprocess, tempfile, time, urllib.error, urllib.request


class Refused(Exception):
    """The service refused a request and said why."""

    def __init__(self, status, problem):
        self.status, self.problem = status, problem
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")


class Service:
    """`dp2stage serve` on a free port with a private database, in a folder that goes away with it."""

    def __init__(self, program, log):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dp2stage-quality-"))
        self.folder.chmod(0o711)  # the account of the private PostgreSQL passes through
        command = [str(program), "serve", "--bind", "127.0.0.1:0", "--state-dir", str(self.folder / "state")]
        environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
        self.log = open(log, "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        self.base = self._said(r"listens on (http://\S+)")
        self.key = self._said(r"(dp2_\w+)")
        self.open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def _said(self, pattern):
        for line in self.process.stdout:
            found = re.search(pattern, line)
            if found:
                return found.group(1)
        raise SystemExit(f"the server did not start: see {self.log.name}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cpu(self):
        """CPU seconds so far of the server, its workers, its database, and what they ran."""
        parents, used = {}, {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended
            pid = int(stat.parent.name)
            parents[pid], used[pid] = int(words[1]), sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return sum(used.get(pid, 0) for pid in family)

    def call(self, method, path, body=None, kind="application/json", limit=900):
        """One request; the bytes of the answer. `Refused` where the status says so."""
        if kind == "application/json" and body is not None:
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.add_header("Content-Type", kind)
        try:
            with self.open(request, timeout=limit) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"detail": text[:200].decode(errors="replace")}
            raise Refused(error.code, problem) from None

    def post(self, path, body):
        return json.loads(self.call("POST", path, body))

    def get(self, path):
        return json.loads(self.call("GET", path))

    def wait(self, path, limit):
        """The job at `path` once it is over."""
        until = time.time() + limit
        while time.time() < until:
            job = json.loads(self.call("GET", path + "?wait=20"))
            if job["finished_at"]:
                return job
        self.post(path + "/cancel", {})
        raise TimeoutError(f"no result after {limit} s")
