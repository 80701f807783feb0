# libbolt as WebAssembly, the page and the npm package. Included by the Makefile for CONFIG=web, which sets
# compiler and flags; `make web` (scripts/targets.mk) calls it.
SOURCES := build/sources
WEB := bindings/web
WARN += -Wno-enum-float-conversion
PAGE := $(OUT)/page
PACKAGE := $(OUT)/package

# The libraries, as far as they are asked: of utf8proc's table that is categories, decompositions and
# compositions; case, width, direction and grapheme breaks are made nothing, which packs well.
UTF8PROC := $(OUT)/utf8proc
PKG_CFLAGS := -I$(UTF8PROC) -I$(SOURCES)/xxhash -DUTF8PROC_STATIC -DXXH_INLINE_ALL
$(UTF8PROC)/%: $(SOURCES)/utf8proc/%
	@mkdir -p $(@D)
	@cp $< $@
$(UTF8PROC)/utf8proc_data.c: $(SOURCES)/utf8proc/utf8proc_data.c $(WEB)/trim-unicode.awk
	@mkdir -p $(@D)
	$(Q)awk -f $(WEB)/trim-unicode.awk $< > $@.new && mv $@.new $@
$(OBJ)/utf8proc.o: $(UTF8PROC)/utf8proc.c $(UTF8PROC)/utf8proc.h $(UTF8PROC)/utf8proc_data.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(OPT) -w $(PKG_CFLAGS) -c -o $@ $<

# All that bolt.h declares, but for files. An overflow of the stack must not reach data: the stack lies first.
EXPORTS = malloc free $(filter-out bolt_open_file,$(shell grep '^BOLT_API' common/bolt/bolt.h | \
	grep -o 'bolt_[a-z_]*[^a-z_ ;,*]' | sed 's/.$$//'))
WASM_OBJECTS := $(call objects,$(filter-out common/bolt/bolt_file.c common/model/score%,$(wildcard \
	$(foreach m,$(CORE),$(call sources_of,$(m))))) $(WEB)/wasm.c)
$(OUT)/bolt.wasm: $(WASM_OBJECTS) $(OBJ)/utf8proc.o common/bolt/bolt.h $(WEB)/web.mk
	$(SAY) LINK $@
	$(Q)$(CC) $(OPT) -mexec-model=reactor $(EXPORTS:%=-Wl,--export=%) -Wl,--stack-first,-z,stack-size=262144 \
		$(WASM_STRIP) $(LDFLAGS) -o $@ $(WASM_OBJECTS) $(OBJ)/utf8proc.o
WASM_STRIP := -Wl,--strip-all
$(WASM_OBJECTS): | $(UTF8PROC)/utf8proc.h

# The page: a folder to be served as it is, and all of it in one file. MODEL, if it is named or there is one, goes
# in; ABOUT is a sentence on where it comes from.
PAGE_FILES := $(addprefix $(PAGE)/,page.css page.js worker.js bolt.js bolt.wasm)
PACKAGE_FILES := $(addprefix $(PACKAGE)/,package.json README.md LICENSE bolt.js bolt.d.ts bolt.wasm)
.PHONY: page
page: $(PAGE_FILES) $(PACKAGE_FILES)
	$(Q)ABOUT='$(subst ','\'',$(ABOUT))' && $(WEB)/make-page $(PAGE) '$(WITH_MODEL)' "$$ABOUT"
	@echo '$(PAGE)/ is the page$(if $(WITH_MODEL),, without a model (MODEL=FILE puts one in)), $(PACKAGE)/ the npm package'
$(PAGE)/%: $(WEB)/%
	@mkdir -p $(@D)
	@cp $< $@
$(PACKAGE)/%: $(WEB)/%
	@mkdir -p $(@D)
	@cp $< $@
$(PAGE)/bolt.wasm $(PACKAGE)/bolt.wasm: $(OUT)/bolt.wasm
	@mkdir -p $(@D)
	@cp $< $@ && chmod 644 $@
$(PACKAGE)/LICENSE: LICENSE
	@mkdir -p $(@D)
	@cp $< $@

# The checks of the kernels (tests/web/web.bats).
KERN_CHECKS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/kern/check_*.c) tests/kern/cases.c tests/kern/buffers.c tests/web/kern.c)
$(KERN_CHECKS): OPT += -isystem tests/web/wasi
$(KERN_CHECKS): WARN += -Wno-shorten-64-to-32
$(OUT)/kern.wasm: $(KERN_CHECKS) $(filter $(OBJ)/common/kern/% $(OBJ)/common/base/%,$(WASM_OBJECTS))
	$(SAY) LINK $@
	$(Q)$(CC) $(OPT) -Wl,--stack-first,-z,stack-size=1048576 $(LDFLAGS) -o $@ $^ -lm
