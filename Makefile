# FlashLM Bolt in C. `make help` lists the targets.
#
# CONFIG chooses a set of flags; each has its own folder of objects, so sanitizer builds never mix
# with the release build, whose programs are build/prep, build/train, ...

.DEFAULT_GOAL := all
# A file whose recipe failed must not pass for one that is made.
.DELETE_ON_ERROR:
# With it `cd scripts` may end anywhere.
unexport CDPATH

CONFIG ?= release
TOOLS := prep train export sample eval
RANKED := train eval

# The folders of common/ in the order of linking, those of them that each program needs, and the
# libraries that a folder brings with it (BARE: those that pkg-config does not know). What is embedded
# is the folders of CORE and, for files, os.
MODULES := load bolt model corpus format blob dims text kern cli ranks os base
CORE := bolt model blob dims text kern base
MODULES_prep := corpus format dims text kern cli os base
MODULES_train := model format blob dims text kern cli ranks os base
MODULES_export := $(MODULES)
MODULES_sample := $(filter-out corpus,$(MODULES))
MODULES_eval := $(MODULES)
PACKAGES_base := libxxhash
PACKAGES_text := libutf8proc
PACKAGES_format := sqlite3 jansson
PACKAGES_corpus := libarchive zlib libzstd yajl
BARE_corpus := csv
PACKAGES := $(sort $(foreach m,$(MODULES),$(PACKAGES_$(m))))

OUT_release := build
OUT_debug := build/debug
OUT_asan := build/asan
OUT_tsan := build/tsan
OUT_fuzz := build/fuzz
OUT_arm := build/arm
OUT_web := build/web
OUT := $(or $(OUT_$(CONFIG)),$(error CONFIG=$(CONFIG): expected release, debug, asan, tsan, fuzz, arm or web))
# A name below this folder is made relative: dependency files know objects by that name only.
override OUT := $(patsubst $(CURDIR)/%,%,$(OUT))
ifneq ($(words $(OUT)),1)
$(error OUT: expected a folder without spaces (found '$(OUT)'))
endif
OBJ := $(OUT)/obj
PIC := $(OUT)/pic

OPT_release := -O2
OPT_debug := -Og
OPT_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer
OPT_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
OPT_arm := -O2
OPT_web := -Os
OPT := $(OPT_$(CONFIG))
OBJCOPY ?= objcopy
PKG_CONFIG ?= pkg-config
# 64-bit ARM by Debian's cross compiler and libraries (scripts/deps arm), to be run by qemu.
ifeq ($(CONFIG),arm)
CC := aarch64-linux-gnu-gcc
AR := aarch64-linux-gnu-ar
OBJCOPY := aarch64-linux-gnu-objcopy
PKG_CONFIG := PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig pkg-config
endif
# WebAssembly by Debian's clang and wasi-libc, with libraries from their sources (scripts/deps web):
# the library's core, on one thread. bindings/web/web.mk has the rest.
PTHREAD := -pthread
ifeq ($(CONFIG),web)
CC := clang-19 --target=wasm32-wasi -msimd128
PTHREAD :=
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wpointer-arith -Wwrite-strings
# Asked when the first file is compiled or linked, not before: `make deps` may have to run first.
PKG_LIBS = $(eval PKG_LIBS := $(or $(shell $(PKG_CONFIG) --libs $(PACKAGES)),\
	$(error libraries are missing: run "make deps")))$(PKG_LIBS)
PKG_CFLAGS = $(if $(PKG_LIBS),$(eval PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES))))$(PKG_CFLAGS)

# gnu11 would fuse separate multiplications and additions; results must not depend on the compiler.
BASE_CFLAGS = -std=c11 -D_GNU_SOURCE -ffp-contract=off -g $(PTHREAD) $(OPT) $(WARN) -Icommon \
	-Itools -Itests -Iscripts $(PKG_CFLAGS)
bare = $(foreach m,$(1),$(BARE_$(m):%=-l%))
LIBS = $(PKG_LIBS) $(call bare,$(MODULES)) -lm -pthread
# The same for the folders $(1).
libs_of = $(shell $(PKG_CONFIG) --libs $(sort $(foreach m,$(1),$(PACKAGES_$(m))))) $(call bare,$(1)) -Wl,--as-needed -lm -pthread

MODULE_LIBS := $(MODULES:%=$(OUT)/parts/%.a)
TOOL_LIBS := $(TOOLS:%=$(OUT)/parts/tool-%.a)
PROGRAMS := $(TOOLS:%=$(OUT)/%)
UNIT_TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(wildcard tests/fuzz/*.c))
LIBRARIES := $(OUT)/libbolt.a $(OUT)/libbolt.so
REPLAYS := $(patsubst tests/fuzz/%.c,$(OUT)/replay/%,$(wildcard tests/fuzz/*.c))
CHECKS := $(OUT)/tests/parity $(OUT)/tests/kcheck $(OUT)/tests/torture $(OUT)/tests/inject.so $(REPLAYS)

objects = $(patsubst %.c,$(OBJ)/%.o,$(wildcard $(1)))

# Kernels stand in a folder an architecture, and only those of the target's are built.
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
KERN_x86_64 := x86
KERN_aarch64 := arm
KERN_arm64 := arm
KERN_wasm32 := wasm
PARTS_kern := v128 $(KERN_$(ARCH))
# The files of a module of common/, those of its parts among them.
sources_of = common/$(1)/*.c $(foreach p,$(PARTS_$(1)),common/$(1)/$(p)/*.c)

.PHONY: all tests programs units fuzzers ranked
all: $(PROGRAMS) $(LIBRARIES) ## the five programs and the library to embed, in build/
tests: $(UNIT_TESTS) $(CHECKS) $(OUT)/stories $(PIC)/core.o ## the test programs, in build/tests/ (without running them)

# What is tested under ThreadSanitizer: without the library, which is the same objects compiled once more, and
# only the unit tests that can start a thread, which a plain build tells.
programs: $(PROGRAMS) $(OUT)/stories
units: $(if $(filter tsan,$(CONFIG)),$(shell BUILD=$(OUT) PLAIN=$(OUT_release) tests/run --list threads),$(UNIT_TESTS))
ranked: $(RANKED:%=$(OUT)/mpi/%)
fuzzers: $(FUZZERS)

# CFLAGS come last, for the linker, too: sanitizers and link-time optimisation are asked for there.
LINK = $(CC) $(OPT) $(CFLAGS) $(LDFLAGS)

# Commands are announced in short; V=1 shows them whole.
Q := $(if $(V),,@)
SAY := $(if $(V),@:,@printf '  %-5s %s\n')

# Programs of RANKED run as many ranks with MPI=1, which links ranks_mpi.o before the archive that has
# the same names for one process; build/mpi/ has them always, for check-mpi.
RANKS_MPI := $(OBJ)/common/ranks/ranks_mpi.o
MPI_PACKAGE = $(eval MPI_PACKAGE := $(or $(firstword $(foreach p,ompi-c mpich mpi-c,$(shell $(PKG_CONFIG) --exists $(p) && echo $(p)))),\
	$(error MPI is missing: run "scripts/deps mpi")))$(MPI_PACKAGE)
MPI_LIBS = $(shell $(PKG_CONFIG) --libs $(MPI_PACKAGE))
$(RANKS_MPI): WARN += $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(MPI_PACKAGE)))
# There is one such file, named by what the programs were last linked for.
MPI_MARK := $(OUT)/parts/.mpi-$(or $(MPI),0)
$(MPI_MARK):
	@mkdir -p $(@D) && rm -f $(@D)/.mpi-* && touch $@

# Each module of common/ is one archive, each tool main.o plus an archive of the rest, so that tests
# link a tool's internals like any library.
define module_rule
$(OUT)/parts/$(1).a: $(filter-out $(RANKS_MPI),$(call objects,$(call sources_of,$(1))))
	@mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

define tool_rule
$(OUT)/parts/tool-$(1).a: $(filter-out %/main.o,$(call objects,tools/$(1)/*.c))
	@mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$^
$(OUT)/$(1): $(OBJ)/tools/$(1)/main.o $(OUT)/parts/tool-$(1).a $(MODULES_$(1):%=$(OUT)/parts/%.a)
	$(SAY) LINK $$@
	$(Q)$$(LINK) -o $$@ $$(filter $(RANKS_MPI),$$^) $$(filter-out $(RANKS_MPI) $(MPI_MARK),$$^) \
		$$(call libs_of,$(MODULES_$(1))) $$(if $$(filter $(RANKS_MPI),$$^),$$(MPI_LIBS))
endef
define ranked_rule
$(OUT)/$(1): $(if $(MPI),$(RANKS_MPI)) $(MPI_MARK)
$(OUT)/mpi/$(1): $(RANKS_MPI) $(OBJ)/tools/$(1)/main.o $(OUT)/parts/tool-$(1).a $(MODULES_$(1):%=$(OUT)/parts/%.a)
	@mkdir -p $$(@D)
	$(SAY) LINK $$@
	$(Q)$$(LINK) -o $$@ $$^ $$(call libs_of,$(MODULES_$(1))) $$(MPI_LIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))
$(foreach t,$(RANKED),$(eval $(call ranked_rule,$(t))))

# An archive, too, so that a test is linked with what it uses: one that can start a thread is known by that (tests/run).
SUPPORT := $(OUT)/tests/support.a
$(SUPPORT): $(call objects,tests/support/*.c)
	@mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(UNIT_TESTS): $(OUT)/tests/%: $(OBJ)/tests/unit/%.o $(SUPPORT) $(TOOL_LIBS) $(MODULE_LIBS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lcmocka
$(OUT)/tests/parity: $(OBJ)/tests/golden/parity.o $(OBJ)/tests/support/toytrain.o $(TOOL_LIBS) $(MODULE_LIBS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)
$(OUT)/tests/kcheck: $(call objects,tests/kern/*.c) $(MODULE_LIBS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)
$(OUT)/tests/torture: $(filter-out %/inject.o,$(call objects,tests/torture/*.c)) \
		$(OBJ)/tests/support/toygpt2.o $(OUT)/parts/tool-prep.a $(MODULE_LIBS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)
# Preloaded into programs of every set of flags: of none itself.
$(OUT)/tests/inject.so: tests/torture/inject.c $(FLAGS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O1 -g $(WARN) $(CFLAGS) -fPIC -shared -o $@ $<

# A fuzz target, for libFuzzer and for the replay of stored inputs; what our code allocates with goes
# through tests/fuzz/harness/starve.c.
FUZZ_PARTS := $(OBJ)/tests/fuzz/harness/starve.o $(OBJ)/tests/support/toygpt2.o $(OUT)/parts/tool-prep.a \
	$(OUT)/parts/tool-train.a $(MODULE_LIBS)
STARVED := malloc calloc realloc aligned_alloc strdup asprintf vasprintf
FUZZ_LIBS = $(STARVED:%=-Wl,--wrap=%) $(LIBS)
$(FUZZERS): $(OUT)/%: $(OBJ)/tests/fuzz/%.o $(FUZZ_PARTS)
	$(SAY) LINK $@
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)
$(REPLAYS): $(OUT)/replay/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/harness/replay.o $(FUZZ_PARTS)
	@mkdir -p $(@D)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(FUZZ_LIBS)

# The story generator of the demo and the tests.
$(OUT)/stories: $(call objects,scripts/stories/*.c) $(patsubst %,$(OUT)/parts/%.a,cli os base)
	$(SAY) LINK $@
	$(Q)$(LINK) -o $@ $^ $(call libs_of,base)

# Flags that are given stand in a file, on which objects depend and which is written only where others are given.
# Of -Werror they are the same.
FLAGS := $(OUT)/parts/.flags
GIVEN_FLAGS := $(strip $(CPPFLAGS) | $(filter-out -Werror,$(CFLAGS)) | $(LDFLAGS))
ifneq ($(GIVEN_FLAGS),$(shell cat $(FLAGS) 2> /dev/null))
$(FLAGS): FORCE
endif
$(FLAGS):
	@mkdir -p $(@D) && printf '%s\n' '$(subst ','\'',$(GIVEN_FLAGS))' > $@

# Loops over many numbers get more optimisation, and each instruction set its own flags, in its own files only: those whose
# names begin with it.
AVX2 := -mavx2 -mfma -mf16c
AVX512 := $(AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
begins = $(filter common/kern/$(1)%,$*)
FILE_FLAGS = $(if $(filter release arm web,$(CONFIG)),$(if $(filter common/kern/% common/model/% common/base/number,$*),-O3)) \
	$(if $(filter common/kern/%,$*),$(if $(call begins,x86/avx2),$(AVX2)) $(if $(call begins,x86/avx512),$(AVX512)) \
	$(if $(call begins,x86/avx512vnni),-mavx512vnni) $(if $(call begins,x86/avx512bf16),-mavx512bf16) \
	$(if $(call begins,arm/dotprod),-march=armv8.2-a+dotprod))

# Holds the text of these files, which the compiler does not see as an include.
$(OBJ)/tools/export/embedded.o: tools/export/runtime.c tools/export/runtime.h $(wildcard tools/export/hf/*.py)
# It is all assembler, whose names link-time optimisation does not see.
$(OBJ)/tools/export/embedded.o: override CFLAGS += -fno-lto

$(OBJ)/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(BASE_CFLAGS) $(FILE_FLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The library to embed: position independent, and but for what bolt.h declares hidden. libbolt.a is one
# object, with what is hidden made local, so that no name of ours meets one of the program's. core.o is
# the same without an operating system, for scripts/check-core. Names of objects for link-time optimisation could
# not be made local.
$(PIC)/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(SAY) PIC $<
	$(Q)$(CC) $(BASE_CFLAGS) $(FILE_FLAGS) $(CPPFLAGS) $(CFLAGS) -fno-lto -fPIC -fvisibility=hidden -MMD -MP -c -o $@ $<

VERSION := $(shell sed -n 's/.*BOLT_VERSION "\(.*\)".*/\1/p' common/base/base.h)
SONAME := libbolt.so.$(firstword $(subst ., ,$(VERSION)))
pic_objects = $(patsubst %.c,$(PIC)/%.o,$(wildcard $(foreach m,$(1),$(call sources_of,$(m)))))
EMBED_LIBS = $(shell $(PKG_CONFIG) --libs libutf8proc libxxhash) -lm -pthread
$(PIC)/embed.a: $(call pic_objects,$(filter-out bolt,$(CORE)) os)
	@rm -f $@ && $(AR) rcs $@ $^
$(PIC)/core.a: $(call pic_objects,$(filter-out bolt,$(CORE)))
	@rm -f $@ && $(AR) rcs $@ $^
$(OUT)/libbolt.so: $(call pic_objects,bolt) $(PIC)/embed.a
	$(SAY) LINK $@
	$(Q)$(LINK) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(EMBED_LIBS)
$(OUT)/libbolt.a: $(call pic_objects,bolt) $(PIC)/embed.a
	$(SAY) LINK $@
	$(Q)$(CC) -r -nostdlib -o $(PIC)/libbolt.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(PIC)/libbolt.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(PIC)/libbolt.o
$(PIC)/core.o: $(filter-out %/bolt_file.o,$(call pic_objects,bolt)) $(PIC)/core.a
	$(Q)$(CC) -r -nostdlib -o $@ $^

-include $(shell find $(OBJ) $(PIC) -name '*.d' 2>/dev/null)

ifeq ($(CONFIG),web)
include bindings/web/web.mk
endif
include scripts/targets.mk
