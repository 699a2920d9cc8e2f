# Two commands do everything on a fresh machine: `make report` and `make test`.
PYTHON         ?= python3
COSYVOICE_ROOT ?= ../CosyVoice
REFERENCE_ENV  ?= .env-reference
MODEL          ?= out/tiny-7
GOLDEN         ?= golden/tiny-7
EXAMPLE        ?= output
VOICE          ?= out/voice
N              ?= 20000
TARGET         ?= wav
MINUTES        ?= 10
PARITY         := cargo run --quiet --release --package parity --bin parity --
RECORDER        = PYO3_PYTHON=$(abspath $(REFERENCE_ENV))/bin/python cargo run --release --package parity --features record --bin parity --
REFERENCE       = --python-env $(REFERENCE_ENV) --cosyvoice-root $(COSYVOICE_ROOT) --model-dir $(MODEL)
WETEXT_004     := .cache/wetext-0.0.4

.PHONY: help setup fixture report test test-reference sbom golden voice fuzz-text example bench fuzz lint torture have-reference reference-env clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup:           ## download the vocabulary and the text rules (pinned, hash-checked) into .cache (or from a folder: ASSETS=…)
	@$(PYTHON) python_ref/fetch_assets.py $(if $(ASSETS),--from "$(ASSETS)")

fixture: setup   ## write the tiny random-weight model that the committed goldens belong to
	@$(PARITY) fixture --out $(MODEL) --size tiny --seed 7

report: fixture  ## run the native engine against the goldens; the verdict, and out/report/index.html
	@$(PARITY) report --model-dir $(MODEL) --golden $(GOLDEN) --out out/report

test: setup      ## all tests, the goldens among them
	cargo test --workspace

test-reference:  ## tests of the Python side, in the reference's environment where there is one
	@if test -x $(REFERENCE_ENV)/bin/python; then \
		$(REFERENCE_ENV)/bin/python -m unittest discover -v -s python_ref/tests; \
	else \
		echo "SKIPPED: no reference environment at $(REFERENCE_ENV); with $(PYTHON) alone:"; \
		$(PYTHON) -m unittest discover -v -s python_ref/tests; \
	fi

sbom:            ## the bill of materials of a release (CycloneDX), into out/sbom.cdx.json
	@$(PYTHON) .ci/sbom.py

golden: fixture $(WETEXT_004)  ## record the goldens anew with the Python reference (COSYVOICE_ROOT=…)
	$(RECORDER) record --engine python $(REFERENCE) --cases golden/cases.toml --out $(GOLDEN)
	$(RECORDER) record --engine python $(REFERENCE) --cases golden/layers.toml --layers llm,flow,vocoder --out $(GOLDEN)-layers
	$(RECORDER) text record $(REFERENCE) --older-wetext $(WETEXT_004)

voice: setup have-reference ## train the speaking model on espeak-ng's speech, hours of CPU (COSYVOICE_ROOT=…; interrupt it and go on)
	@$(REFERENCE_ENV)/bin/python -m pip install --quiet --no-deps --requirement python_ref/requirements-voice.txt
	PYTHONPATH=python_ref nice $(REFERENCE_ENV)/bin/python -m voice --cosyvoice-root $(COSYVOICE_ROOT) --folder $(VOICE)

fuzz-text: fixture $(WETEXT_004)  ## random texts, native against the live Python reference (COSYVOICE_ROOT=…, SEED=…, N=…)
	$(RECORDER) text fuzz $(REFERENCE) --older-wetext $(WETEXT_004) --count $(N) $(if $(SEED),--seed $(SEED))
	$(RECORDER) text bench $(REFERENCE)

example: fixture have-reference ## the reference's own example through both engines, compared (COSYVOICE_ROOT=…, MODEL=…)
	@test -f $(COSYVOICE_ROOT)/example.py || { echo "no CosyVoice checkout at $(COSYVOICE_ROOT): clone https://github.com/FunAudioLLM/CosyVoice with --recursive and pass COSYVOICE_ROOT=…; without one, make report compares with what the reference has recorded"; exit 1; }
	PYTHONPATH=python_ref $(REFERENCE_ENV)/bin/python -m cosyvoice_reference.example --root $(COSYVOICE_ROOT) --model $(MODEL) --out $(EXAMPLE)
	cargo run --release --package native-cli --bin native -- batch --model-dir $(MODEL) --text-rules .cache/text-rules --cases $(EXAMPLE)/cases.json --out $(EXAMPLE)
	$(PARITY) compare $(EXAMPLE) --html $(EXAMPLE)/compare.html

# The older wetext beside the environment's own; its code alone is wanted.
$(WETEXT_004): | have-reference
	$(REFERENCE_ENV)/bin/python -m pip install --quiet --no-deps --require-hashes \
		--requirement python_ref/requirements-wetext-0.0.4.txt --target $@

have-reference:
	@test -x $(REFERENCE_ENV)/bin/python || { echo "no reference environment at $(REFERENCE_ENV): run 'make reference-env', or pass REFERENCE_ENV=…"; exit 1; }

reference-env:   ## install the Python reference's environment (about 6 GB) into .env-reference
	$(PYTHON) python_ref/install.py $(REFERENCE_ENV)

torture: fixture ## kill, starve and crowd the commands, hundreds of times (KILLS=…; needs strace)
	cargo build --release --package parity --bin parity
	MODEL=$(MODEL) parity/tests/torture.sh $(or $(KILLS),40)

bench: fixture   ## time the engine's parts on a case (with the reference: see README), and its stages by criterion
	@$(PARITY) bench --model-dir $(MODEL)
	cargo bench --package native

# The crate whose fuzz folder has the target. Its Cargo.lock is the workspace's, so that what is
# fuzzed is what is built; cargo adds the fuzzer to it.
FUZZED          = $(patsubst %/fuzz/fuzz_targets/$(TARGET).rs,%,$(wildcard */fuzz/fuzz_targets/$(TARGET).rs native/wetext/fuzz/fuzz_targets/$(TARGET).rs))
fuzz:            ## fuzz a parser (TARGET=…, MINUTES=…; nightly and cargo-fuzz, see parity/docs/fuzzing.md)
	@test -n "$(FUZZED)" || { echo "no fuzz target $(TARGET); there are: $(basename $(notdir $(wildcard */fuzz/fuzz_targets/*.rs native/wetext/fuzz/fuzz_targets/*.rs)))"; exit 1; }
	cp Cargo.lock $(FUZZED)/fuzz/Cargo.lock
	mkdir -p out/fuzz/$(TARGET)
	cd $(FUZZED) && cargo +nightly fuzz run --target-dir $(abspath target/fuzz) $(TARGET) $(abspath out/fuzz/$(TARGET)) fuzz/corpus/$(TARGET) -- \
		-max_total_time=$$(($(MINUTES) * 60)) -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 $(addprefix -dict=,$(wildcard $(abspath $(FUZZED)/fuzz/$(TARGET).dict)))

lint:            ## what CI checks besides the tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

clean:           ## remove what make wrote, but not cargo's builds
	rm -rf out .cache
