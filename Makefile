# SPDX-License-Identifier: Apache-2.0
# The front door. Everything real happens in meson and in the scripts under tools/.
BUILD ?= build
MESON_ARGS ?=

.PHONY: help deps build demo run check bench format clean

help:
	@echo 'make deps    install what building and testing need (Debian 12; root or sudo)'
	@echo 'make build   build everything into $(BUILD)/'
	@echo 'make demo    hold a meeting on this machine and show what it reached  [CAMERA=file VOICE=file]'
	@echo 'make run     start manager and relay for people to use, data in ./data  [HOST=name DATA=folder]'
	@echo 'make check   all tests; the last line counts them'
	@echo 'make bench   measure against the bare primitives'
	@echo 'make format  format the C sources'

deps:
	@tools/deps.sh

build: deps
	@tools/build.sh $(BUILD) $(MESON_ARGS)

demo: build
	@tools/demo.sh $(BUILD) "$(CAMERA)" "$(VOICE)"

run: build
	@tools/run.sh $(BUILD) "$(HOST)" "$(DATA)"

check: build
	@tools/check.sh $(BUILD)

bench: build
	@tools/bench.sh $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD)
