# Targets that use the programs: data, runs, checks, installation. Included by the Makefile.
# A text after "##" is what `make help` says about a target.

DATA ?= data
CHECKPOINTS ?= checkpoints
MODEL ?= model.bolt
JOBS ?= $(shell nproc)
SUBMAKE = $(MAKE) --no-print-directory

# Which stories: the official first version, which FlashLM v4 was trained on, or v2; or any files.
TINYSTORIES ?= v1
TINYSTORIES_URL ?= https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main
NAME_v1 := TinyStories
NAME_v2 := TinyStoriesV2-GPT4
NAME := $(NAME_$(TINYSTORIES))
TRAIN_URL ?= $(TINYSTORIES_URL)/$(NAME)-train.txt
VALID_URL ?= $(TINYSTORIES_URL)/$(NAME)-valid.txt
# SHA-256 of these files, for a server that does not publish them as Hugging Face does.
TRAIN_SHA256 ?=
VALID_SHA256 ?=
DOWNLOADS := $(DATA)/$(NAME)-train.txt $(DATA)/$(NAME)-valid.txt
CORPUS_FILES = $(or $(CORPUS),$(word 1,$(DOWNLOADS)))
VALID_FILES = $(if $(CORPUS),$(VALID),$(or $(VALID),$(word 2,$(DOWNLOADS))))

# A preset names the vocabulary, and what is learnt from it how; PREP_ARGS and ARGS add to that.
PREP_OF_small := --preset small
PREP_OF_swift := --preset swift
TRAIN_OF_small := --small
TRAIN_OF_swift := --recipe swift
ifneq ($(PRESET),)
ifeq ($(PREP_OF_$(PRESET)),)
$(error PRESET=$(PRESET): expected small or swift)
endif
endif
PREP_OPTIONS = $(PREP_OF_$(PRESET)) $(PREP_ARGS)

# What a run uses unless it is told otherwise.
STARTED = $(wildcard $(CHECKPOINTS)/*.safetensors)

.PHONY: deps data train export sample eval demo test arm check-arm bench asan tsan torture fuzz lint format install \
	uninstall wheel web dist clean help FORCE

deps: ## install what is missing to build and to test (GROUPS="build test lint data plot")
	scripts/deps $(or $(GROUPS),build test)

demo: ## the whole pipeline on generated stories, in less than five minutes
	@scripts/deps build
	@$(SUBMAKE) -j$(JOBS) all $(OUT)/stories
	@BUILD=$(OUT) scripts/demo

test: ## run every test; the last line counts them
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) all tests
	@BUILD=$(OUT) tests/run

arm: ## the programs and tests for 64-bit ARM, in build/arm/
	@scripts/deps build arm
	@$(SUBMAKE) -j$(JOBS) CONFIG=arm all tests

check-arm: arm ## unit tests, kernels, parity and stories on emulated 64-bit ARM, beside this machine's
	@scripts/deps test
	@$(SUBMAKE) -j$(JOBS) all $(OUT)/stories
	@BUILD=$(OUT_arm) HOST=$(CURDIR)/$(OUT) EMULATOR=qemu-aarch64 tests/run arm

check-%: ## one kind of test: check-unit check-kern check-parity check-torture check-fuzz check-cli check-rules check-chip check-python check-runtimes check-web
	@$(SUBMAKE) -j$(JOBS) all tests
	@BUILD=$(OUT) tests/run $*

data: ## download TinyStories (TINYSTORIES=v2: the second version) or take CORPUS="FILES" VALID=FILE, run prep (PRESET=swift)
	@for f in $(CORPUS) $(VALID); do [ -f "$$f" ] || { echo "data: $$f: no such file" >&2; exit 1; }; done
	@scripts/deps build $(if $(CORPUS),,data)
	@$(SUBMAKE) -s -j$(JOBS) $(OUT)/prep
	@for f in vocab.db train.shard valid.shard; do [ -f $(DATA)/$$f ] || rm -f $(DATA)/.made; done
	@$(SUBMAKE) $(DATA)/.made
	@echo '$(DATA)/vocab.db, train.shard and valid.shard are up to date'

$(DATA)/$(NAME)-train.txt:
	scripts/fetch-tinystories '$(TRAIN_URL)' $@ $(TRAIN_SHA256)
$(DATA)/$(NAME)-valid.txt:
	scripts/fetch-tinystories '$(VALID_URL)' $@ $(VALID_SHA256)

# The options stand in a file that changes only when they do; so a second `make data` does nothing.
$(DATA)/.options: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CORPUS_FILES) | $(VALID_FILES) | $(strip $(PREP_OPTIONS))' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(DATA)/.made: $(DATA)/.options $(OUT)/prep $(CORPUS_FILES) $(VALID_FILES)
	$(OUT)/prep -o $(DATA) $(VALID_FILES:%=--valid %) $(PREP_OPTIONS) $(CORPUS_FILES)
	@touch $@

train: $(OUT)/train ## train, from the newest checkpoint if there is one (HOURS=2 PRESET=swift ARGS="...")
	@[ -f $(DATA)/train.shard ] || { echo 'train: no $(DATA)/train.shard: run "make data" first' >&2; exit 1; }
	$(OUT)/train --data $(DATA) --save-dir $(CHECKPOINTS) $(if $(STARTED),--resume) \
		$(if $(HOURS),--hours $(HOURS)) $(TRAIN_OF_$(PRESET)) $(ARGS)

export: $(OUT)/export ## pack the best checkpoint (CHECKPOINT=FILE: that one) into model.bolt
	@[ -n '$(CHECKPOINT)$(STARTED)' ] || { echo 'export: no checkpoint in $(CHECKPOINTS): run "make train" first' >&2; exit 1; }
	$(OUT)/export $(or $(CHECKPOINT),$(CHECKPOINTS)) -o $(MODEL) --vocab $(DATA)/vocab.db $(ARGS)

HAVE_MODEL = @[ -f $(MODEL) ] || { echo '$@: no $(MODEL): run "make export" first' >&2; exit 1; }
sample: $(OUT)/sample ## tell a story (ARGS="-p 'Once upon a time' -t 0.7")
	$(HAVE_MODEL)
	$(OUT)/sample $(MODEL) $(ARGS) < /dev/null

eval: $(OUT)/eval ## bits per character on the validation stories (FILES="...": on those)
	$(HAVE_MODEL)
	$(OUT)/eval $(MODEL) $(or $(FILES),$(DATA)/valid.shard) $(ARGS)

bench: ## speed of every kernel and of training beside what the machine can do
	@$(SUBMAKE) -j$(JOBS) $(OUT)/tests/kcheck $(OUT)/train
	$(OUT)/tests/kcheck --bench
	$(OUT)/train --bench --small

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) CONFIG=asan all tests
	@BUILD=$(OUT_asan) tests/run

tsan: ## the unit tests under ThreadSanitizer
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) CONFIG=tsan all tests
	@BUILD=$(OUT_tsan) tests/run unit

torture: ## kill, starve and damage: the whole fault campaign, in minutes (SEED=1)
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) all tests
	@BUILD=$(OUT) $(OUT)/tests/torture --seed $(or $(SEED),1)

# Every tests/fuzz/NAME.c is a libFuzzer target; SECONDS is the time each one gets.
fuzz: ## feed the readers of files with damaged ones (SECONDS=60 for each)
	@scripts/deps build lint
	@$(SUBMAKE) -j$(JOBS) all $(OUT)/stories
	@$(SUBMAKE) -j$(JOBS) CONFIG=fuzz CC=clang fuzzers
	@scripts/fuzz-seeds $(OUT) $(OUT_fuzz)
	@cd $(OUT_fuzz) && for f in $(notdir $(FUZZERS)); do echo "fuzz: $$f"; \
		set --; dict=../../tests/fuzz/$$f.dict; [ ! -f $$dict ] || set -- -dict=$$dict; \
		./$$f "$$@" -max_total_time=$(or $(SECONDS),60) -rss_limit_mb=4096 -verbosity=0 $$f.corpus || exit 1; done

lint: ## formatting, shell scripts and man pages
	@scripts/deps build lint
	@scripts/lint

check-os: ## compile what asks the system for things for musl and, where there is zig, for macOS
	@scripts/deps build lint
	@scripts/check-os

format: ## let clang-format write all C files
	@scripts/deps lint
	git ls-files '*.c' '*.h' | xargs clang-format -i

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR := $(DESTDIR)$(PREFIX)/bin
INCLUDEDIR := $(DESTDIR)$(PREFIX)/include
MANDIR := $(DESTDIR)$(PREFIX)/share/man
LIBDEST := $(DESTDIR)$(LIBDIR)
install: all ## install programs, library and man pages (PREFIX=/usr/local LIBDIR=$PREFIX/lib DESTDIR=)
	install -d $(BINDIR) $(INCLUDEDIR) $(LIBDEST)/pkgconfig $(MANDIR)/man1 $(MANDIR)/man3
	for t in $(TOOLS); do \
		install -m 755 $(OUT)/$$t $(BINDIR)/bolt-$$t && \
		install -m 644 tools/$$t/$$t.1 $(MANDIR)/man1/bolt-$$t.1 || exit 1; done
	install -m 644 common/bolt/bolt.h $(INCLUDEDIR)/bolt.h
	install -m 644 common/bolt/bolt.3 $(MANDIR)/man3/bolt.3
	install -m 644 $(OUT)/libbolt.a $(LIBDEST)/libbolt.a
	install -m 755 $(OUT)/libbolt.so $(LIBDEST)/libbolt.so.$(VERSION)
	ln -sf libbolt.so.$(VERSION) $(LIBDEST)/$(SONAME)
	ln -sf $(SONAME) $(LIBDEST)/libbolt.so
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
		common/bolt/bolt.pc.in > $(LIBDEST)/pkgconfig/bolt.pc
	chmod 644 $(LIBDEST)/pkgconfig/bolt.pc

uninstall: ## remove what install put there
	rm -f $(TOOLS:%=$(BINDIR)/bolt-%) $(TOOLS:%=$(MANDIR)/man1/bolt-%.1) $(MANDIR)/man3/bolt.3 \
		$(INCLUDEDIR)/bolt.h $(LIBDEST)/pkgconfig/bolt.pc \
		$(addprefix $(LIBDEST)/,libbolt.a libbolt.so $(SONAME) libbolt.so.$(VERSION))

wheel: ## a wheel of the Python package that carries the library, in build/wheel/
	@scripts/deps build python
	@scripts/wheel build/wheel

# A model goes into the page if it is named, or if there is one of the default name.
WITH_MODEL = $(if $(filter file,$(origin MODEL)),$(wildcard $(MODEL)),$(MODEL))
web: ## libbolt in WebAssembly: a page that tells stories, build/web/page/ (MODEL=FILE ABOUT="..."), and an npm package, build/web/package/
	@[ -z '$(WITH_MODEL)' ] || [ -f '$(WITH_MODEL)' ] || { echo 'web: $(WITH_MODEL): no such file' >&2; exit 1; }
	@scripts/deps web
	@$(SUBMAKE) -j$(JOBS) CONFIG=web page

dist: ## the tracked files in one archive, build/flashlm-bolt-VERSION.tar.gz
	@mkdir -p build
	git archive --prefix=flashlm-bolt-$(VERSION)/ -o build/flashlm-bolt-$(VERSION).tar.gz HEAD

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z%-]*\):[^#=]*## *\(.*\)/\1\t\2/p' Makefile scripts/targets.mk | sort | \
		awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'
