# The front door. Everything real happens in meson; this installs what is missing and calls it.
#   make build | demo | test | bench | lint | install | package | clean
BUILD ?= build
PREFIX ?= /usr/local
DEMO ?= demo
FUZZ_SECONDS ?= 30

.PHONY: all build demo test bench lint install package clean deps deps-package deps-test models
all: build

deps:
	@sh packaging/deps.sh build

deps-package:
	@sh packaging/deps.sh build package

deps-test:
	@sh packaging/deps.sh build test

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) --prefix=$(PREFIX) --buildtype=release

build: deps $(BUILD)/build.ninja
	@ninja -C $(BUILD)

demo: build
	$(BUILD)/assay demo --out $(DEMO)

test: deps-test
	@FUZZ_SECONDS=$(FUZZ_SECONDS) sh tests/run.sh

bench: build
	@sh bench/run.sh $(BUILD)

lint: deps-test
	@sh tests/lint.sh

install: build
	meson install -C $(BUILD) --no-rebuild

# build-package/assay_VERSION_ARCHITECTURE.deb, from a build of its own with Debian's flags
package: deps-package
	@sh packaging/package.sh $(BUILD)-package/build $(BUILD)-package

clean:
	rm -rf $(BUILD) $(BUILD)-package build-asan build-clang build-fuzz $(DEMO)
