# Targets that use the programs: data, runs, checks, installation. Included by the Makefile.
# A text after "##" is what `make help` says about a target.

DATA ?= data
CHECKPOINTS ?= checkpoints
MODEL ?= model.bolt
JOBS ?= $(shell nproc)
SUBMAKE = $(MAKE) --no-print-directory

# Make's lists are words.
$(foreach v,DATA CHECKPOINTS,$(if $(word 2,$($(v))),$(error $(v): expected a folder without spaces (found '$($(v))'))))

# Which stories: a data set by its name (scripts/fetch knows them), DATASET_FILES of its files to train on; or any
# files. What scripts/fetch takes from the environment may be given to make: HF_ENDPOINT, HF_TOKEN,
# DATASET_URL, TRAIN_SHA256, VALID_SHA256. TRAIN_URL, VALID_URL: the first file of each part by its address.
TINYSTORIES ?= v1
DATASET_v1 := tinystories
DATASET_v2 := tinystories-v2
DATASET ?= $(DATASET_$(TINYSTORIES))
ifneq ($(TINYSTORIES_URL),)
export DATASET_URL ?= $(TINYSTORIES_URL)
endif
downloads = $(shell scripts/fetch -l -p $(1) '$(DATASET)' $(DATA) $(DATASET_FILES) 2> /dev/null)
# The files that patterns stand for, and words as the shell takes them.
resolve = $(foreach f,$(1),$(or $(sort $(wildcard $(f))),$(f)))
quote = $(foreach w,$(1),'$(subst ','\'',$(w))')
CORPUS_FILES = $(or $(call resolve,$(CORPUS)),$(call downloads,train))
VALID_FILES = $(or $(call resolve,$(VALID)),$(if $(CORPUS),,$(call downloads,valid)))
fetch = $(if $($(2)_URL),scripts/fetch '$($(2)_URL)' $(firstword $(call downloads,$(1))) $($(2)_SHA256) && )scripts/fetch -p $(1) \
	'$(DATASET)' $(DATA) $(DATASET_FILES)

# Parquet goes through a pipe: its column FIELD, of the rows for which WHERE holds; as text, unless options say how text is read.
# Of other files prep reads the field FIELD.
export WHERE
HAS_PARQUET = $(filter %.parquet,$(CORPUS_FILES) $(VALID_FILES))
PREP_FIELD = $(if $(filter-out %.parquet,$(CORPUS_FILES) $(VALID_FILES)),$(FIELD))
PARQUET_FORM = $(if $(filter --separator% --encoding% --format%,$(PREP_OPTIONS)),--as $(or $(PREP_FIELD),story),--text)
parquet = scripts/parquet-stories $(PARQUET_FORM) $(FIELD:%=--field %) $(if $(WHERE),--where "$$WHERE") $(call quote,$(1))

# What would be passed over without a word.
SETS = $(strip $(foreach v,DATASET DATASET_FILES DATASET_URL TINYSTORIES TINYSTORIES_URL TRAIN_URL VALID_URL,\
	$(if $(filter command,$(origin $(v))),$(v))))
check_data = $(if $(CORPUS),$(if $(SETS),$(error data: CORPUS takes files of yours, $(firstword $(SETS)) a data set: give one of them)))$(if \
	$(HAS_PARQUET),$(if $(filter --field% --skip-missing,$(PREP_OPTIONS)),$(error data: the column of Parquet is FIELD=NAME, not an option of prep)),$(if \
	$(WHERE),$(error data: WHERE chooses rows of Parquet, and none of the files is: $(CORPUS_FILES) $(VALID_FILES))))

# A preset names the vocabulary, the model and its recipe; PREP_ARGS and ARGS add to that.
PREP_OF_small := --preset small
PREP_OF_large := --preset small
PREP_OF_swift := --preset swift
TRAIN_OF_small := --preset small
TRAIN_OF_large := --preset large
TRAIN_OF_swift := --preset swift
ifneq ($(PRESET),)
ifeq ($(PREP_OF_$(PRESET)),)
$(error PRESET=$(PRESET): expected small, large or swift)
endif
endif
PREP_OPTIONS = $(PREP_OF_$(PRESET)) $(PREP_ARGS)

# What a run uses unless it is told otherwise. (A wildcard of make would show what was there before its first recipe.)
STARTED = $(shell ls $(CHECKPOINTS)/*.safetensors 2> /dev/null)

# Of several of these in one command each may use what the one before it made, with -j too.
ifneq ($(filter data train export sample eval demo test arm check-% bench asan tsan torture fuzz pictures web dist clean,$(MAKECMDGOALS)),)
ifneq ($(word 2,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
endif

.PHONY: deps data train export sample eval demo test arm check-arm bench asan tsan torture fuzz lint format install \
	uninstall pictures wheel web dist check-dist clean help FORCE

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
	@BUILD=$(OUT_arm) HOST='$(CURDIR)/$(OUT)' EMULATOR=qemu-aarch64 tests/run arm

check-mpi: ## train and eval in many ranks: the bits of one process, signals, ranks that die (Open MPI)
	@scripts/deps build test mpi
	@$(SUBMAKE) -j$(JOBS) all ranked $(OUT)/stories
	@BUILD=$(OUT) tests/run mpi

check-%: ## one kind of test: check-unit check-kern check-parity check-torture check-fuzz check-cli check-rules check-chip check-python check-runtimes check-web
	@$(SUBMAKE) -j$(JOBS) all tests
	@BUILD=$(OUT) tests/run $*

data: ## download DATASET (tinystories, tinystories-v2, simplestories, fineweb-edu) or take CORPUS="FILES" VALID=FILE, run prep (PRESET=swift)
	$(check_data)@for f in $(call quote,$(call resolve,$(CORPUS) $(VALID))); do [ -f "$$f" ] || { echo "data: $$f: no such file" >&2; exit 1; }; done
	$(if $(CORPUS),,@scripts/fetch -n '$(DATASET)' $(DATA) $(DATASET_FILES) > /dev/null)
	@scripts/deps build $(if $(CORPUS),,data) $(if $(HAS_PARQUET),parquet)
	@$(SUBMAKE) -s -j$(JOBS) $(OUT)/prep
	$(if $(CORPUS)$(VALID),,@$(call fetch,valid,VALID))
	$(if $(CORPUS),,@$(call fetch,train,TRAIN))
	@cd $(DATA) 2> /dev/null || exit 0; [ -f vocab.db ] && { [ -f shards.json ] || { [ -f train.shard ] && [ -f valid.shard ]; }; } || rm -f .made
	@$(SUBMAKE) $(DATA)/.made
	@echo '$(DATA): the vocabulary and the shards are up to date'

ifeq ($(MAKECMDGOALS),$(DATA)/.made)
PARQUET := $(filter %.parquet,$(CORPUS_FILES))
VALID_PARQUET := $(filter %.parquet,$(VALID_FILES))
PREP_VALID := $(filter-out %.parquet,$(VALID_FILES)) $(if $(VALID_PARQUET),$(DATA)/.valid.stories)

# The options stand in a file that changes only when they do; so a second `make data` does nothing.
$(DATA)/.options: export MADE_OF = $(CORPUS_FILES) | $(VALID_FILES) | $(strip $(PREP_OPTIONS))$(if $(FIELD)$(WHERE), | $(FIELD) | )
$(DATA)/.options: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$MADE_OF$$WHERE" > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
# What ends in the middle, for whatever reason, must not look like an end. What prep --append added stays.
$(DATA)/.made: $(DATA)/.options $(OUT)/prep $(CORPUS_FILES) $(VALID_FILES)
	@cd $(@D) && for f in shards.json train.shard; do if [ -f .made ] && [ $$f -nt .made ]; then \
		echo 'data: $(DATA)/'$$f' is newer than what make data wrote (prep --append?): remove $(DATA)/.made to make it anew' >&2; \
		exit 1; fi; done; rm -f .made
	$(if $(VALID_PARQUET),$(call parquet,$(VALID_PARQUET)) > $(DATA)/.valid.stories)
	$(if $(PARQUET),{ $(call parquet,$(PARQUET)) || { echo '{"cut'; head -c 1024 /dev/zero; }; } | )$(OUT)/prep -o $(DATA) $(foreach f,$(PREP_VALID),--valid $(call quote,$(f))) \
		$(PREP_OPTIONS) $(PREP_FIELD:%=--field %) $(call quote,$(filter-out %.parquet,$(CORPUS_FILES))) $(if $(PARQUET),-)
	@touch $@
endif

train: $(OUT)/train ## train, from the newest checkpoint if there is one (HOURS=2 PRESET=swift CHECKPOINTS=DIR INIT_FROM=DIR ARGS="...")
	@[ -f $(DATA)/train.shard ] || [ -f $(DATA)/shards.json ] || { echo 'train: no $(DATA)/train.shard: run "make data" first' >&2; exit 1; }
	$(OUT)/train --data $(DATA) --save-dir $(CHECKPOINTS) $(if $(STARTED),--resume,$(INIT_FROM:%=--init-from %)) \
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
	$(OUT)/eval $(MODEL) $(or $(FILES),$(DATA)) $(ARGS)

bench: ## the tables of BENCH.md for this machine, then every kernel beside what the machine can do (MODEL=FILE)
	@scripts/deps build plot
	@$(SUBMAKE) -s -j$(JOBS) $(OUT)/tests/kcheck $(OUT)/train $(OUT)/sample
	@BUILD=$(OUT) scripts/bench $(WITH_MODEL)
	@$(OUT)/tests/kcheck --bench > $(OUT)/tests/kernels.txt
	@echo && echo '## Kernels' && echo && sed 's/^./    &/' $(OUT)/tests/kernels.txt

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) CONFIG=asan all tests
	@BUILD=$(OUT_asan) tests/run

tsan: ## the unit tests that start threads under ThreadSanitizer
	@scripts/deps build test
	@$(SUBMAKE) -j$(JOBS) units
	@$(SUBMAKE) -j$(JOBS) CONFIG=tsan units
	@BUILD=$(OUT_tsan) tests/run threads

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
	scripts/lint --format

PICTURES ?= docs/pictures
pictures: ## draw README's pictures, docs/pictures/, from what is in docs/figures/
	@scripts/deps plot
	@mkdir -p $(PICTURES)
	scripts/plot-loss -c bpc -o $(PICTURES)/loss.svg docs/figures/*.jsonl
	scripts/still 'On a terminal: a model is trained, packed, and tells a story' < docs/figures/still.txt > $(PICTURES)/still.svg

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR := $(DESTDIR)$(PREFIX)/bin
# Documents of formats, which are installed as bolt-NAME(5).
FORMATS := $(wildcard common/*/*.md)
page_of_format = $(MANDIR)/man5/bolt-$(shell basename $(1) .md | tr '[:upper:]' '[:lower:]').5
INCLUDEDIR := $(DESTDIR)$(PREFIX)/include
MANDIR := $(DESTDIR)$(PREFIX)/share/man
LIBDEST := $(DESTDIR)$(LIBDIR)
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
INSTALL_DIRS = $(BINDIR) $(INCLUDEDIR) $(LIBDEST)/pkgconfig $(MANDIR)/man1 $(MANDIR)/man3 $(MANDIR)/man5 $(BASHDIR) $(ZSHDIR)
check_places = $(if $(word 2,x$(DESTDIR)x$(PREFIX)x$(LIBDIR)x),$(error DESTDIR, PREFIX and LIBDIR must not have spaces))$(if \
	$(filter-out /%,$(PREFIX) $(LIBDIR)),$(error PREFIX and LIBDIR are written into bolt.pc: they must begin with /))
install: all ## install programs, library, man pages and completion (PREFIX=/usr/local LIBDIR=$PREFIX/lib DESTDIR=)
	$(check_places)install -d $(INSTALL_DIRS)
	for t in $(TOOLS); do \
		install -m 755 $(OUT)/$$t $(BINDIR)/bolt-$$t && \
		install -m 644 scripts/completion.bash $(BASHDIR)/bolt-$$t && \
		scripts/man-page tools/$$t/$$t.1 > $(MANDIR)/man1/bolt-$$t.1 && chmod 644 $(MANDIR)/man1/bolt-$$t.1 || exit 1; done
	$(foreach f,$(FORMATS),scripts/man-page $(f) > $(call page_of_format,$(f)) && chmod 644 $(call page_of_format,$(f)) &&) :
	install -m 644 scripts/completion.zsh $(ZSHDIR)/_bolt
	install -m 644 common/bolt/bolt.h $(INCLUDEDIR)/bolt.h
	install -m 644 common/bolt/bolt.3 $(MANDIR)/man3/bolt.3
	install -m 644 $(OUT)/libbolt.a $(LIBDEST)/libbolt.a
	install -m 755 $(OUT)/libbolt.so $(LIBDEST)/libbolt.so.$(VERSION)
	ln -sf libbolt.so.$(VERSION) $(LIBDEST)/$(SONAME)
	ln -sf $(SONAME) $(LIBDEST)/libbolt.so
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' \
		common/bolt/bolt.pc.in > $(LIBDEST)/pkgconfig/bolt.pc
	chmod 644 $(LIBDEST)/pkgconfig/bolt.pc

# Folders below DESTDIR are install's own and go when they are empty; those of a system stay.
uninstall: ## remove what install put there
	$(check_places)rm -f $(TOOLS:%=$(BINDIR)/bolt-%) $(TOOLS:%=$(BASHDIR)/bolt-%) $(ZSHDIR)/_bolt $(TOOLS:%=$(MANDIR)/man1/bolt-%.1) $(MANDIR)/man3/bolt.3 \
		$(foreach f,$(FORMATS),$(call page_of_format,$(f))) $(INCLUDEDIR)/bolt.h $(LIBDEST)/pkgconfig/bolt.pc \
		$(addprefix $(LIBDEST)/,libbolt.a libbolt.so $(SONAME) libbolt.so.$(VERSION))
	$(if $(DESTDIR),for d in $(patsubst $(DESTDIR)/%,%,$(INSTALL_DIRS)); do \
		(cd $(DESTDIR) && rmdir -p $$d) 2> /dev/null || :; done)

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
	@[ -e .git ] || { echo 'dist: not a repository of git: an archive is made of the files that git tracks' >&2; exit 1; }
	@git diff --quiet HEAD || echo 'dist: changes that are not committed are not in the archive' >&2
	@mkdir -p build
	git archive --prefix=flashlm-bolt-$(VERSION)/ -o build/flashlm-bolt-$(VERSION).tar.gz HEAD

check-dist: dist ## unpack that archive elsewhere: it builds, passes its tests, installs and uninstalls
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && tar -C "$$dir" -xf build/flashlm-bolt-$(VERSION).tar.gz && \
		cd "$$dir/flashlm-bolt-$(VERSION)" && $(SUBMAKE) OUT=build test && \
		$(SUBMAKE) -s OUT=build install DESTDIR="$$dir/root" && $(SUBMAKE) -s OUT=build uninstall DESTDIR="$$dir/root" && \
		[ -z "$$(ls -A "$$dir/root")" ]

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z%-]*\):[^#=]*## *\(.*\)/\1\t\2/p' Makefile scripts/targets.mk | sort | \
		awk -F '\t' '{printf "  make %-10s %s\n", $$1, $$2}'
