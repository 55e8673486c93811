# The commands of this repository; `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test browser quickstart long chaos audit mutants bench quality ci cuda-check sqlx fmt lint doc clean-state deny sbom fuzz

# cargo may be where rustup put it and nowhere on PATH, and HOME may be unset (cron, some CI)
HOME ?= $(shell getent passwd "$$(id -u)" | cut -d: -f6)
export HOME
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# PostgreSQL's programs are installed when they are missing; PG_BIN_DIR stays empty where the service finds them itself
WITH_POSTGRES = PG_BIN_DIR="$$(docker/ensure-postgres)" && export PG_BIN_DIR

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## /  make \1  /p' $(MAKEFILE_LIST)

demo: ## build the service and run a whole job with it: upload, training, download, report; ARGS=--keep leaves it and its dashboard up
	@$(WITH_POSTGRES) && cargo build --release --locked && exec target/release/dp2stage demo $(ARGS)

test: ## every test
	@$(WITH_POSTGRES) && cargo test --locked

# Playwright's module drives the Chromium that is there; SHOTS=folder keeps pictures, PROGRAM names a binary that is not built here
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
SHOTS ?=
browser: ## the dashboard in a real Chromium, from the first upload to the download
	@[ -n "$(CHROMIUM)" ] || { echo "make browser: skipped, there is no Chromium (CHROMIUM=/path/to/it)"; exit 0; } \
		&& $(WITH_POSTGRES) && $(if $(PROGRAM),true,cargo build --locked) \
		&& { [ -x target/browser/bin/python ] || python3 -m venv target/browser; } \
		&& { target/browser/bin/python -c "import playwright" 2>/dev/null || target/browser/bin/pip install --quiet playwright; } \
		&& CHROMIUM="$(CHROMIUM)" target/browser/bin/python -B tests/browser/dashboard.py "$(or $(PROGRAM),target/debug/dp2stage)" \
			$(if $(SHOTS),--shots "$(SHOTS)")

# a server of its own, on a free port and a state folder that goes
quickstart: ## the Python quick start of the README against a real server; PROGRAM names a binary that is not built here
	@$(WITH_POSTGRES) && $(if $(PROGRAM),true,cargo build --locked) \
		&& { [ -x target/quickstart/bin/python ] || python3 -m venv target/quickstart; } \
		&& { target/quickstart/bin/python -c "import pandas, requests" 2>/dev/null \
			|| target/quickstart/bin/pip install --quiet pandas requests; } \
		&& tests/quickstart/run "$(or $(PROGRAM),target/debug/dp2stage)" target/quickstart/bin/python

long: ## the ledger and the accountant with many more draws (10,000 races, histories and cases), the API's keys and streams, malformed uploads and exports: an hour or so
	@$(WITH_POSTGRES) && DP2STAGE_LONG=1 cargo test --locked --test suite -- --nocapture store::budgets privacy::accounting \
		api::idempotency api::events api::intake tabular::generated tabular::spreadsheets

chaos: SHELL := bash
# figures are lines that begin with a goal's name; the seed of a run is printed, and DP2STAGE_SEED gives it back
chaos: ## the long form of the reliability tests, as a table: kills, stops, edges, the database away, races, histories; hours
	@mkdir -p target && set -o pipefail && $(WITH_POSTGRES) && export DP2STAGE_LONG=1 && { \
		cargo test --locked --test chaos -- --nocapture --test-threads 2 \
		&& cargo test --locked --test suite -- --nocapture --test-threads 2 store::races store::histories \
			store::budgets::the_last_of_a_budget_is_spent_once store::budgets::random_histories_are_conserved; \
	} 2>&1 | tee target/chaos.log; status=$$?; echo; grep -E '^(R[0-9]+|P[0-9]+|disk full): ' target/chaos.log; exit $$status

# Tools that are not there are built into target/tools
TOOLS = $(CURDIR)/target/tools
WITH_TOOL = export PATH="$$PATH:$(TOOLS)/bin" && tool() { command -v "$$1" >/dev/null || cargo install --locked --root "$(TOOLS)" "$$1"; } && tool

deny: ## advisories, licences and sources of all dependencies
	@$(WITH_TOOL) cargo-deny && cargo deny --locked --all-features check

sbom: ## what is in the program, as CycloneDX: target/dp2stage.cdx.json
	@$(WITH_TOOL) cargo-cyclonedx && cargo cyclonedx --format json --override-filename dp2stage.cdx --quiet \
		&& mkdir -p target && mv dp2stage.cdx.json target/ && ls -l target/dp2stage.cdx.json

# Coverage is an unstable option of the compiler, which is told to take it in a folder of its own
FUZZ ?= csv jsonl parquet zstd schema rows codec certificate
SECONDS ?= 600
fuzz: ## feed hostile bytes to each of FUZZ for SECONDS; finds are in tests/fuzz/artifacts
	@$(WITH_TOOL) cargo-fuzz && for target in $(FUZZ); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$$target" -- \
			-max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=2048 -max_len=4096 || exit 1; \
	done

audit: ## attack the private step with canaries: a lower bound on epsilon, beside what is claimed
	@$(WITH_POSTGRES) && cargo test --locked --test suite -- --nocapture engine::audit

mutants: ## plant faults in a copy of the source, one by one; a named test must find each
	@$(WITH_POSTGRES) && cargo test --locked --test suite -- --ignored --nocapture mutants::

bench: ## how long the accountant takes
	@cargo bench --locked --bench accounting

# `make quality TABLE=adult VARIANTS="U O" EPSILON=1 SEEDS=3 PEERS="AIM MST"`; PROGRAM names a binary that is not built here
TABLE ?= all
VARIANTS ?= all
EPSILON ?= 1 8
SEEDS ?= 3
PEERS ?= none
DATA ?= ../shared/data
JUDGE ?= ../shared/eval/evaluate.py
PROGRAM ?=
quality: ## variants x EPSILON x SEEDS (and PEERS) on each TABLE of DATA, judged from outside: benches/QUALITY.md; resumable
	@$(WITH_POSTGRES) && $(if $(PROGRAM),true,cargo build --release --locked) \
		&& exec python3 -B benches/quality/main.py --table "$(TABLE)" --variants "$(VARIANTS)" --epsilon "$(EPSILON)" \
			--seeds "$(SEEDS)" --peers "$(PEERS)" --data "$(DATA)" --judge "$(JUDGE)" \
			--program "$(or $(PROGRAM),target/release/dp2stage)"

ci: ## what continuous integration runs: formatting, clippy, documentation, tests
	@.ci/run

cuda-check: ## compile `--features cuda`, with or without a GPU, with CUDA's compiler from PyPI; 18 CPU minutes the first time
	@docker/cuda-check

sqlx: ## rewrite .sqlx after a change of SQL
	@docker/renew-queries

fmt: ## format the source
	@cargo fmt

lint: ## formatting and clippy, warnings are errors
	@cargo fmt --check && cargo clippy --all-targets --locked -- -D warnings

doc: ## the documentation of the source, in target/doc
	@RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# The state holds uploaded tables and the ledger of what was spent on them: removing it takes a word.
STATE ?= $(shell if [ "$$(id -u)" = 0 ]; then echo /var/lib/dp2stage; else echo "$${XDG_STATE_HOME:-$(HOME)/.local/state}/dp2stage"; fi)
clean-state: ## remove the private database and everything in it (REALLY=yes; STATE=folder)
	@[ "$(REALLY)" = yes ] || { echo "this removes $(STATE) with all datasets, jobs and budgets: make clean-state REALLY=yes"; exit 1; }
	@[ ! -e "$(STATE)" ] || [ -e "$(STATE)/lock" ] || { echo "$(STATE) is not a state folder"; exit 1; }
	@[ ! -e "$(STATE)" ] || flock --nonblock "$(STATE)/lock" rm -rf -- "$(STATE)" || { echo "$(STATE) is in use"; exit 1; }
