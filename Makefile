# The commands that people and CI run alike.

CARGO ?= cargo

.PHONY: test test-python test-datafusion test-cluster soak check fmt clippy docs features spelling format adapter fuzz deny miri

# The whole suite of the library and the program: unit, integration and documentation tests, every
# benchmark run once, and the GPU engine's tests a second time on shaders with all of wgpu's checks. The
# tests of futures take long and depend on the host alone: they run once.
# All three commands select the same packages: another selection would build the dependencies again.
test: adapter
	./tools/with-adapter $(CARGO) test --release --all-targets
	VECODEC_CHECKED_SHADERS=1 ./tools/with-adapter $(CARGO) test --release --test it gpu -- --skip asynchronous
	./tools/with-adapter $(CARGO) test --release --doc
	@echo "Python, Arrow and SQL have tests of their own: make test-python, make test-datafusion"

# The Python package: builds the wheel (some five minutes on two cores), installs it into new environments and runs its
# tests, its type checks and the example of its README. PYTHONS are the interpreters that test the same wheel.
PYTHONS ?= python3
test-python:
	./tools/test-python $(PYTHONS)

# Columns of Arrow, SQL functions, a cluster in one process, and Parquet in the program. It takes some ten minutes on
# two cores, of which the tests take one. It needs Rust 1.94.
SQL = --profile sql -p vecodec-arrow -p vecodec-datafusion --features vecodec-datafusion/cluster
test-datafusion:
	$(CARGO) test $(SQL)
	$(CARGO) test --release --features vecodec-cli/parquet --test program parquet

# A scheduler and two executors as processes, one of which is killed. After test-datafusion it takes half a minute.
test-cluster:
	$(CARGO) build $(SQL) --bins --example cluster
	"$${CARGO_TARGET_DIR:-target}/sql/examples/cluster"

# Mixed calls on 16 threads, with losses of the device, for so many seconds.
soak: SECONDS ?= 600
soak: adapter
	./tools/with-adapter $(CARGO) run --release --example soak -- $(SECONDS)

# What a change must pass beside the tests.
check: fmt spelling format clippy docs features

fmt:
	$(CARGO) fmt --all --check

spelling:
	./tools/typos

# The NumPy decoder of docs/format.md on the golden files.
format:
	./tools/numpy-decodes

clippy:
	$(CARGO) clippy --release --all-targets -- -D warnings

# Feature sets of the library that are built by nothing else. `--no-default-features` is a CPU codec
# that runs models from weights; its own tests run, too.
features:
	$(CARGO) clippy --release -p vecodec --no-default-features -- -D warnings
	$(CARGO) clippy --release -p vecodec --no-default-features --features gpu -- -D warnings
	$(CARGO) clippy --release -p vecodec --no-default-features --features fit,files -- -D warnings
	$(CARGO) clippy --release -p vecodec --all-features --all-targets -- -D warnings
	$(CARGO) test --release -p vecodec --no-default-features --lib

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --document-private-items

# A Vulkan driver, on Linux, where there is none: Mesa's software adapter.
adapter:
	./tools/install-adapter

# Every fuzz target for SECONDS seconds, on the committed seeds and on what earlier runs found. It needs
# a nightly toolchain and cargo-fuzz.
FUZZ_TARGETS = model_file codes_file raw_weights use_loaded index_folder data_file
fuzz: SECONDS ?= 60
fuzz:
	@command -v cargo-fuzz > /dev/null || { \
		echo "cargo-fuzz is missing: run 'cargo install cargo-fuzz --locked'" >&2; exit 1; }
	set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/target/corpus/$$target fuzz/regressions/$$target; \
		$(CARGO) +nightly fuzz run $$target fuzz/target/corpus/$$target fuzz/corpus/$$target \
			fuzz/regressions/$$target -- -max_total_time=$(SECONDS) -rss_limit_mb=2048 -timeout=20 \
			-print_final_stats=1; \
	done

# Licences, advisories, duplicates and sources of the packages: see deny.toml. Advisories need a network;
# without it, say DENY="bans licenses sources".
deny:
	@command -v cargo-deny > /dev/null || { \
		echo "cargo-deny is missing: run 'cargo install cargo-deny --locked'" >&2; exit 1; }
	$(CARGO) deny check $(DENY)

# What Miri can run of the CPU engine: the unit tests without those that make system calls, and the golden
# files decoded by the CPU engine. The second takes minutes. It needs Tree Borrows and integers as
# pointers, because crossbeam, under rayon, does.
miri:
	$(CARGO) +nightly miri test -p vecodec --no-default-features --lib -- --skip memory::tests --skip huge_pages --skip new_file
	RAYON_NUM_THREADS=2 MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-tree-borrows \
		-Zmiri-permissive-provenance -Zmiri-ignore-leaks" \
		$(CARGO) +nightly miri test -p vecodec --test it golden::cpu::
