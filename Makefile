# The front door. `make` builds, `make test` proves, `make help` tells the rest.
# On Debian 12 the packages a target needs are installed first; SETUP=no leaves that to you.
JOBS   ?= $(shell nproc)
PREFIX ?= /usr/local
SETUP  ?= yes
MAKEFLAGS += --no-print-directory

# Empty when SETUP=no, the call otherwise.
setup = $(if $(filter no,$(SETUP)),@:,@tools/setup.sh $(1))
cmake-build = cmake --build $(1) -j $(JOBS)

.DEFAULT_GOAL := build
.PHONY: build debug test crash soak asan tsan tidy bench bench-speed bench-churn bench-filters bench-open bench-serve bench-sustained bench-namespaces bench-build demo format install deb clean help fuzz

build: ## the library and the command, optimised, in build/release
	$(call setup,build)
	@cmake -S . -B build/release -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	@$(call cmake-build,build/release)

debug: ## the same without optimisation, in build/debug
	$(call setup,build)
	@cmake -S . -B build/debug -DCMAKE_BUILD_TYPE=Debug
	@$(call cmake-build,build/debug)

test: ## everything: release, ASan+UBSan and TSan tests, then tidy
	$(call setup,test)
	@JOBS=$(JOBS) tools/test.sh release asan tsan tidy

crash: build ## crashes counted, 6 minutes; MINUTES=60 for longer, SEED=n to repeat one
	$(call setup,test)
	@cmake -S . -B build/release >/dev/null
	@$(call cmake-build,build/release) >/dev/null
	@tests/crash/crash.py --build build/release --jobs $(JOBS) --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

soak: build ## a server under mixed traffic, killed again and again, 2 minutes; MINUTES=30 for longer, SEED=n
	$(call setup,test)
	@LODE_BIN=$(CURDIR)/build/release/lode tests/soak/soak.py --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED))

fuzz: ## every decoder fuzzed for a minute; SECONDS=600 for longer, HARNESS=wal for one
	$(call setup,test)
	@JOBS=$(JOBS) tests/fuzz/run.sh $(or $(SECONDS),60) $(HARNESS)

asan: ## build and test with AddressSanitizer and UBSan, in build/asan
	$(call setup,test)
	@JOBS=$(JOBS) tools/test.sh asan

tsan: ## build and run the concurrent tests with ThreadSanitizer, in build/tsan
	$(call setup,test)
	@JOBS=$(JOBS) tools/test.sh tsan

tidy: build ## format, static analysis, layers, headers, symbols, style
	$(call setup,test)
	@JOBS=$(JOBS) tools/test.sh tidy

bench: bench-build ## graph search beside hnswlib and faiss at equal recall (minutes; see bench/run.sh)
	@bench/run.sh sift10k mnist-784 B

bench-speed: bench-build ## all that bench/run.sh measures, into build/bench (25 minutes, then 6)
	@bench/run.sh

bench-sustained: bench-build ## ten minutes of writes, deletes and queries in a quarter of the data's memory
	@bench/run.sh sustained

bench-serve: bench-build ## what a request costs lode serve, and what it does under three times as much as it can (8 minutes)
	@bench/run.sh serve

bench-open: build ## how long opening takes, with 1,000,000 and 10,000,000 points (10 minutes, 2 GB in build/bench)
	$(call setup,bench)
	@cmake -S . -B build/release
	@$(call cmake-build,build/release) --target bench.open
	@mkdir -p build/bench && rm -f build/bench/open.json
	@build/release/bench/open --out build/bench --rows 1000000 --dim 128 --json build/bench/open.json
	@build/release/bench/open --out build/bench --rows 10000000 --dim 16 --json build/bench/open.json

bench-filters: bench-build ## searches under filters of every share, beside a scan, hnswlib and faiss (12 minutes)
	@bench/run.sh filters

bench-namespaces: build ## 100,000 namespaces of 10 points: import, queries, sizes, dropping half
	$(call setup,bench)
	@cmake -S . -B build/release
	@$(call cmake-build,build/release) --target bench.namespaces
	@mkdir -p build/bench && rm -f build/bench/namespaces.json
	@build/release/bench/namespaces --dir build/bench/namespaces.lode --json build/bench/namespaces.json

bench-churn: bench-build ## recall, disk, memory and latency under deletes and reinserts (5 minutes)
	@bench/run.sh churn

bench-build: build
	$(call setup,bench)
	@cmake -S . -B build/release
	@$(call cmake-build,build/release) --target bench

demo: ## a guided tour: builds, loads real data, searches it
	$(call setup,demo)
	@$(MAKE) build SETUP=no
	@demo/run.sh

format: ## rewrite the sources as .clang-format says
	$(call setup,test)
	@tools/check-format.sh --fix

install: build ## into PREFIX (/usr/local), below DESTDIR if given
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

deb: build ## a Debian package of the library, the command and the service, in build/
	$(call setup,deb)
	@packaging/build-deb.sh

clean: ## remove build/
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
