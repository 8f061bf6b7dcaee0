# The commands that people and CI run alike.

CARGO ?= cargo

.PHONY: test check fmt clippy docs features adapter

# The whole suite: unit, integration and documentation tests, every benchmark run once, and the
# GPU engine's tests a second time on shaders with all of wgpu's checks.
test: adapter
	./tools/with-adapter $(CARGO) test --release --all-targets
	VECODEC_CHECKED_SHADERS=1 ./tools/with-adapter $(CARGO) test --release --test it gpu
	./tools/with-adapter $(CARGO) test --release --doc

# What a change must pass beside the tests.
check: fmt clippy docs features

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --release --all-targets -- -D warnings

# Feature sets that are built by nothing else.
features:
	$(CARGO) check --release --no-default-features --features gpu
	$(CARGO) check --release --no-default-features --features gpu,fit
	$(CARGO) check --release --no-default-features --features gpu,files
	$(CARGO) check --release --all-features --tests

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps --document-private-items

# A Vulkan driver, on Linux, where there is none: Mesa's software adapter.
adapter:
	./tools/install-adapter
