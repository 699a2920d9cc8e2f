# Two commands do everything on a fresh machine: `make report` and `make test`.
PYTHON         ?= python3
COSYVOICE_ROOT ?= ../CosyVoice
REFERENCE_ENV  ?= .env-reference
# The models of this repository: a small one that speaks, and a tiny one of random weights.
SPEAKING       := out/voice-7
TINY           := out/tiny-7
MODEL          ?= $(SPEAKING)
# Their goldens and cases; those of another model are to be named.
GOLDEN         ?= golden/$(if $(filter $(TINY),$(MODEL)),tiny-7,voice-7)
CASES          ?= golden/$(if $(filter $(TINY),$(MODEL)),cases.toml,voice.toml)
EXAMPLE        ?= output
TRAINING       ?= out/training
N              ?= 20000
TARGET         ?= wav
MINUTES        ?= 10
# The environment that the Python module is installed into; it is made if it is not there.
PYTHON_ENV     ?= out/python-env
MATURIN        := out/tools/maturin/bin/maturin
JUDGE_ENV      := out/tools/judge-env
# The user's cache, where the installed programs look for the text rules.
CACHE          ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cosyvoice-parity
BUILD          := cargo build --release --package parity --bin parity --package native-cli --bin native
BUILT          := $(or $(CARGO_TARGET_DIR),target)/release
BUILT_DEBUG    := $(or $(CARGO_TARGET_DIR),target)/debug
PARITY         := $(BUILT)/parity
RECORDER        = PYO3_PYTHON=$(abspath $(REFERENCE_ENV))/bin/python cargo run --release --package parity --features record --bin parity --
REFERENCE       = --python-env $(REFERENCE_ENV) --cosyvoice-root $(COSYVOICE_ROOT) --model-dir "$(MODEL)"
WETEXT_004     := .cache/wetext-0.0.4

.PHONY: help setup build cuda install python fixture model report test test-python test-voice test-reference sbom golden samples voice fuzz-text example bench fuzz miri lint torture have-reference reference-env clean

help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup:           ## download the vocabulary and the text rules (pinned, hash-checked) into .cache (or from a folder: ASSETS=…)
	@$(PYTHON) python_ref/fetch_assets.py $(if $(ASSETS),--from "$(ASSETS)")

build:           ## build `parity` and `native` into target/release (some minutes the first time)
	$(BUILD)

cuda:            ## build both for CUDA into target/cuda; needs neither CUDA nor a GPU: NVIDIA's compiler comes from PyPI (COMPUTE_CAP=90)
	PYTHON=$(PYTHON) .ci/cuda.sh

install: setup   ## install `parity` and `native` for this user; the text rules, the speaking model and the Python side go into the user's cache
	cargo install --locked --path parity
	cargo install --locked --path native/cli
	@$(PYTHON) python_ref/fetch_assets.py --from .cache --out "$(CACHE)"
	@mkdir -p "$(CACHE)/python_ref" && cp -R python_ref/cosyvoice_reference "$(CACHE)/python_ref/"
	@"$(or $(CARGO_INSTALL_ROOT),$(CARGO_HOME),$(HOME)/.cargo)/bin/parity" fixture --out "$(CACHE)/voice-7" --size voice --seed 7

python: setup    ## build the Python module and install it (PYTHON_ENV=…, default out/python-env); the text rules go into the user's cache
	@test -x "$(PYTHON_ENV)/bin/python" || $(PYTHON) -m venv "$(PYTHON_ENV)"
	@test -x $(MATURIN) || { $(PYTHON) -m venv out/tools/maturin && out/tools/maturin/bin/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2'; }
	rm -rf out/wheels
	$(MATURIN) build --release --locked --manifest-path native/python/Cargo.toml --out out/wheels
	@"$(PYTHON_ENV)/bin/python" -m pip uninstall --quiet --yes cosyvoice-native
	@"$(PYTHON_ENV)/bin/python" -m pip install --quiet --disable-pip-version-check out/wheels/*.whl
	@$(PYTHON) python_ref/fetch_assets.py --from .cache --out "$(CACHE)"
	@echo "installed: $(PYTHON_ENV)/bin/python -c 'from cosyvoice_native import AutoModel'"

fixture: setup build  ## write the models that the committed goldens belong to: one that speaks, and a tiny one of random weights
	@$(PARITY) fixture --out $(SPEAKING) --size voice --seed 7
	@$(PARITY) fixture --out $(TINY) --size tiny --seed 7

# Any other model is the user's own: it is read, never written.
ifneq ($(filter $(MODEL),$(SPEAKING) $(TINY)),)
model: setup build ## write the model that the other commands use: the one that speaks (or MODEL=out/tiny-7)
	@$(PARITY) fixture --out $(MODEL) --size $(if $(filter $(TINY),$(MODEL)),tiny,voice) --seed 7
else
model: setup $(if $(filter golden,$(MAKECMDGOALS)),,build)
	@test -d "$(MODEL)" || { echo "MODEL=$(MODEL): there is no such folder"; exit 1; }
endif

report: model    ## run the native engine against the goldens; the verdict, and out/report/index.html (OPEN=1 opens it)
ifeq ($(MODEL),$(SPEAKING))
	@mkdir -p out/report; $(PARITY) selftest --listen out/report --model-dir "$(MODEL)" > out/report/wrong-sampler.txt
endif
	@$(PARITY) report --model-dir "$(MODEL)" --golden $(GOLDEN) --cases $(CASES) --out out/report $(if $(OPEN),--open)

test: setup      ## all tests, the goldens among them
	cargo test --workspace $(if $(FEATURES),--features $(FEATURES))

test-python:     ## tests of the Python module, after `make test` (they need numpy: PYTHON=…)
	cargo build --workspace --lib --tests --features native-python/module
	$(PYTHON) native/python/tests/run.py $(or $(CARGO_TARGET_DIR),target)/debug

test-voice: setup ## whether pocketsphinx understands the speaking model, said by native, after `make test` (needs espeak-ng's library)
	cargo build --workspace --features native-python/module --bins
	@$(BUILT_DEBUG)/parity fixture --out $(SPEAKING) --size voice --seed 7
	@test -x $(JUDGE_ENV)/bin/python || $(PYTHON) -m venv $(JUDGE_ENV)
	@if $(JUDGE_ENV)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
		--constraint python_ref/requirements.txt --constraint python_ref/requirements-voice.txt \
		numpy soxr wetext pocketsphinx; then \
		NATIVE=$(abspath $(BUILT_DEBUG))/native MODEL=$(abspath $(SPEAKING)) \
			$(JUDGE_ENV)/bin/python -m unittest -v python_ref/tests/test_voice_words.py; \
	else \
		echo "SKIPPED: how well the speaking model is understood: the judge's packages could not be installed"; \
	fi

test-reference:  ## tests of the Python side, in the reference's environment where there is one
	@if test -x $(REFERENCE_ENV)/bin/python; then \
		$(REFERENCE_ENV)/bin/python -m unittest discover -v -s python_ref/tests; \
	else \
		echo "SKIPPED: no reference environment at $(REFERENCE_ENV); with $(PYTHON) alone:"; \
		$(PYTHON) -m unittest discover -v -s python_ref/tests; \
	fi

sbom:            ## the bill of materials of a release (CycloneDX), into out/sbom.cdx.json
	@$(PYTHON) .ci/sbom.py

golden: model $(WETEXT_004)  ## record goldens with the Python reference (COSYVOICE_ROOT=…; for another model MODEL=…, GOLDEN=…, CASES=…)
	@test -n "$(filter $(MODEL),$(SPEAKING) $(TINY))" || test "$(GOLDEN)" != golden/voice-7 || { echo "golden/voice-7 is the speaking model's: pass GOLDEN=… for the goldens of $(MODEL)"; exit 1; }
	$(RECORDER) record --engine python $(REFERENCE) --cases $(CASES) --out $(GOLDEN)
ifeq ($(MODEL),$(TINY))
	$(RECORDER) record --engine python $(REFERENCE) --cases golden/layers.toml --layers llm,flow,vocoder --out $(GOLDEN)-layers
	$(RECORDER) text record $(REFERENCE) --older-wetext $(WETEXT_004)
endif

samples: model have-reference ## draw what the Python reference says with many seeds, for `parity sample` (COSYVOICE_ROOT=…, SEEDS=200): 40 minutes of one core
	$(PARITY) sample --engine python $(REFERENCE) --cases $(CASES) --out golden/samples-$(notdir $(GOLDEN)) $(if $(SEEDS),--seeds $(SEEDS))

voice: setup have-reference ## train the speaking model anew on espeak-ng's speech: hours of CPU, see parity/docs/voice.md (COSYVOICE_ROOT=…; interrupt it and go on)
	@$(REFERENCE_ENV)/bin/python -m pip install --quiet --no-deps --requirement python_ref/requirements-voice.txt
	PYTHONPATH=python_ref nice $(REFERENCE_ENV)/bin/python -m voice --cosyvoice-root $(COSYVOICE_ROOT) --folder $(TRAINING)

fuzz-text: model $(WETEXT_004)  ## random texts, native against the live Python reference (COSYVOICE_ROOT=…, SEED=…, N=…)
	$(RECORDER) text fuzz $(REFERENCE) --older-wetext $(WETEXT_004) --count $(N) $(if $(SEED),--seed $(SEED))
	$(RECORDER) text bench $(REFERENCE)

example: model have-reference ## the reference's own example through both engines, compared (COSYVOICE_ROOT=…, MODEL=…)
	@test -f $(COSYVOICE_ROOT)/example.py || { echo "no CosyVoice checkout at $(COSYVOICE_ROOT): clone https://github.com/FunAudioLLM/CosyVoice with --recursive and pass COSYVOICE_ROOT=…; without one, make report compares with what the reference has recorded"; exit 1; }
	PYTHONPATH=python_ref $(REFERENCE_ENV)/bin/python -m cosyvoice_reference.example --root $(COSYVOICE_ROOT) --model $(MODEL) --out $(EXAMPLE)
	$(BUILT)/native batch --model-dir "$(MODEL)" $(EXAMPLE)/cases.json --segments --out $(EXAMPLE)
	$(PARITY) compare $(EXAMPLE) --html $(EXAMPLE)/compare.html

# The older wetext beside the environment's own; its code alone is wanted.
$(WETEXT_004): | have-reference
	$(REFERENCE_ENV)/bin/python -m pip install --quiet --no-deps --require-hashes \
		--requirement python_ref/requirements-wetext-0.0.4.txt --target $@

have-reference:
	@test -x $(REFERENCE_ENV)/bin/python || { echo "no reference environment at $(REFERENCE_ENV): run 'make reference-env', or pass REFERENCE_ENV=…"; exit 1; }

reference-env:   ## install the Python reference's environment (about 6 GB) into .env-reference
	$(PYTHON) python_ref/install.py $(REFERENCE_ENV)

torture: model   ## kill, starve and crowd the commands, hundreds of times (KILLS=…; needs strace)
	MODEL="$(MODEL)" PARITY=$(PARITY) parity/tests/torture.sh $(or $(KILLS),40)

bench: model     ## time the engine's parts on a case (with the reference: see README), and its stages by criterion
	@$(PARITY) bench --model-dir "$(MODEL)"
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

# Tree borrows: crossbeam, under rayon, breaks the stricter rule of stacked borrows. Leaks: rayon's
# threads outlive the tests.
miri:            ## undefined behaviour in the kernels and the crates below the engine (nightly with miri and rust-src)
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks" PROPTEST_CASES=4 \
		cargo +nightly miri test --lib --package torch-rng --target-dir target/miri
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks" PROPTEST_CASES=4 \
		cargo +nightly miri test --lib --package native --target-dir target/miri -- \
		ops::conv_kernel ops::simd
	MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows -Zmiri-ignore-leaks" PROPTEST_CASES=4 \
		cargo +nightly miri test --lib --package packed-linear --target-dir target/miri

lint:            ## what CI checks besides the tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

clean:           ## remove what make wrote, but not cargo's builds
	rm -rf out .cache
