# SPDX-License-Identifier: MIT
#
# Tests that run on the build machine: unit tests and fuzzers. The Makefile
# includes this; `make -f tests/tests.mk unit` works too.
#
#   unit      every tests/unit/test_NAME.c, and each fuzzer once over its corpus
#   fuzz      every tests/fuzz/fuzz_NAME.c for FUZZ_SECONDS
#   coverage  which lines the unit tests run
#
#   ONLY=NAME    just that one        SEED=N   another run of chance
#   TEST=PART    of the unit tests those functions whose name has PART in it
#
# A test says what it is linked with in lines of its own:
#
#   // sources: xen/bus/gnttab.c kernel/page.c tests/fake/hv.c
#
# Project files; `lan` for all that a test on the fake LAN needs (below); and the
# words `lwip`, `erofs`, `lfs`, `sqlite` and `pico` for the third parties'.
# What was built and what each test said is in build/host/ (fuzzers: build/fuzz/,
# coverage: build/coverage/).

ifndef TP_INC_XEN
include third_party/third_party.mk
endif

ONLY         ?= *
SEED         ?= 1
TEST         ?=
FUZZ_SECONDS ?= 60
TP_HOST_CC   ?= gcc
TP_FUZZ_CC   ?= clang

UNIT_NAMES := $(patsubst tests/unit/test_%.c,%,\
    $(wildcard tests/unit/test_$(ONLY).c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,\
    $(wildcard tests/fuzz/fuzz_$(ONLY).c))

# -Wclobbered knows nothing of how fake.h uses setjmp.
TEST_FLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -I. \
    $(TP_INC_XEN) $(TP_INC_LWIP) $(TP_INC_EROFS) $(TP_INC_LFS) $(TP_INC_PICO) \
    $(TP_INC_SQLITE) \
    -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_FLAGS := $(TEST_FLAGS) -Wno-clobbered
FUZZ_FLAGS := $(TEST_FLAGS) -fsanitize=fuzzer-no-link
# Several programs that share an object count in one file.
COVERAGE_FLAGS := $(UNIT_FLAGS) --coverage -fprofile-update=atomic
# It is the guest that the fuzzer is to explore, not the fake machine.
build/fuzz/obj/tests/fake/%.o build/fuzz/obj/tests/unit/%.o: \
    FUZZ_FLAGS := $(TEST_FLAGS)
# tests/fake/hv.c watches what kernel/page.c hands out, tests/fake/fiber.c tells
# ASan of fibers.
TEST_LINK := -Wl,--wrap=page_alloc,--wrap=page_alloc_zeroed,--wrap=page_free \
    -Wl,--wrap=page_extend \
    -Wl,--wrap=fiber_switch,--wrap=fiber_context_init
# Sums that always hold: tests/fuzz/fuzz_littlefs.c.
build/fuzz/fuzz_littlefs: TEST_LINK += -Wl,--wrap=lfs2_crc
TEST_ENV  := ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 \
    UBSAN_OPTIONS=print_stacktrace=1 SEED=$(SEED) \
    CMOCKA_TEST_FILTER='$(TEST:%=*%*)'

TEST_Q   = $(if $(filter 1,$(V)),,@)
TEST_SAY = @printf '  %-7s %s\n'

# The sources that the test $(1) names: our objects in $(2), and the others'
# libraries of kind $(2) (HOST or FUZZ).
TEST_GROUP_lan := $(wildcard net/*.c netfront/*.c xen/bus/*.c) xen/evtchn.c \
    $(addprefix kernel/,loop.c page.c log.c panic.c options.c random.c) \
    $(addprefix tests/fake/,hv.c xenstored.c netback.c) tests/unit/lan.c lwip
test_words = $(foreach word,$(shell sed -n 's,^// sources:,,p' $(1)),\
    $(or $(TEST_GROUP_$(word)),$(word)))
test_objects = $(patsubst %.c,$(2)/%.o,$(1) \
    $(filter %.c,$(call test_words,$(1))))
test_libs  = $(if $(filter lwip,$(call test_words,$(1))),$(TP_$(2)_LIB_LWIP)) \
             $(if $(filter erofs,$(call test_words,$(1))),$(TP_$(2)_LIB_EROFS)) \
             $(if $(filter lfs,$(call test_words,$(1))),$(TP_$(2)_LIB_LFS)) \
             $(if $(filter sqlite,$(call test_words,$(1))),$(TP_$(2)_LIB_SQLITE)) \
             $(if $(filter pico,$(call test_words,$(1))),$(TP_$(2)_OBJ_PICO))

TEST_NEEDS := $(TP_STAMP_XEN) $(TP_STAMP_SRC_LWIP) $(TP_STAMP_SRC_EROFS) \
    $(TP_STAMP_SRC_LFS) $(TP_STAMP_PICO) $(TP_STAMP_SQLITE)

build/host/obj/%.o: %.c tests/tests.mk | $(TEST_NEEDS)
	$(TEST_SAY) HOSTCC $<
	@mkdir -p $(@D)
	$(TEST_Q)$(TP_HOST_CC) $(UNIT_FLAGS) -MMD -MP -c $< -o $@

build/coverage/obj/%.o: %.c tests/tests.mk | $(TEST_NEEDS)
	$(TEST_SAY) HOSTCC $<
	@mkdir -p $(@D)
	$(TEST_Q)$(TP_HOST_CC) $(COVERAGE_FLAGS) -MMD -MP -c $< -o $@

build/fuzz/obj/%.o: %.c tests/tests.mk | $(TEST_NEEDS)
	$(TEST_SAY) FUZZCC $<
	@mkdir -p $(@D)
	$(TEST_Q)$(TP_FUZZ_CC) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@

# $(1): the test's name
define unit_program
build/host/test_$(1): build/host/obj/tests/unit/filter.o \
    $$(call test_objects,tests/unit/test_$(1).c,build/host/obj) \
    $$(call test_libs,tests/unit/test_$(1).c,HOST)
	$$(TEST_Q)$$(TP_HOST_CC) $$(UNIT_FLAGS) $$(TEST_LINK) $$^ -lcmocka \
	    -lm -o $$@

build/coverage/test_$(1): build/coverage/obj/tests/unit/filter.o \
    $$(call test_objects,tests/unit/test_$(1).c,build/coverage/obj) \
    $$(call test_libs,tests/unit/test_$(1).c,HOST)
	$$(TEST_Q)$$(TP_HOST_CC) $$(COVERAGE_FLAGS) $$(TEST_LINK) $$^ -lcmocka \
	    -lm -o $$@
endef

define fuzz_program
build/fuzz/fuzz_$(1): \
    $$(call test_objects,tests/fuzz/fuzz_$(1).c,build/fuzz/obj) \
    $$(call test_libs,tests/fuzz/fuzz_$(1).c,FUZZ)
	$$(TEST_Q)$$(TP_FUZZ_CC) $$(FUZZ_FLAGS) -fsanitize=fuzzer $$(TEST_LINK) \
	    $$^ -lm -o $$@
endef

$(foreach name,$(UNIT_NAMES),$(eval $(call unit_program,$(name))))
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_program,$(name))))

-include $(shell find build/host/obj build/fuzz/obj build/coverage/obj \
    -name '*.d' 2>/dev/null)

# A fuzzer has no functions to choose from.
UNIT_RESULTS := $(UNIT_NAMES:%=build/host/test_%.result) \
                $(if $(TEST),,$(FUZZ_NAMES:%=build/fuzz/fuzz_%.result))
COVERAGE_RUNS := $(UNIT_NAMES:%=build/coverage/test_%.run)

# A result is two numbers, passed and failed. A program that ends badly without
# saying which test it was counts as one failure. The recipe itself succeeds,
# so that every test runs.
build/host/test_%.result: build/host/test_% FORCE
	@log=$<.log; rm -f $@; \
	$(TEST_ENV) CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 $< >$$log 2>&1; \
	status=$$?; \
	passed=$$(grep -c '^ok ' $$log); failed=$$(grep -c '^not ok ' $$log); \
	if [ $$status -ne 0 ] && [ $$failed -eq 0 ]; then failed=1; fi; \
	printf '  %-7s %-24s %4d passed, %d failed\n' TEST $* $$passed $$failed; \
	if [ $$failed -ne 0 ]; then grep -v '^ok ' $$log; \
	    echo "  (exit status $$status; all of it: $$log)"; fi; \
	echo $$passed $$failed >$@

# With file names as arguments a fuzzer runs each of them once.
build/fuzz/fuzz_%.result: build/fuzz/fuzz_% FORCE
	@log=$<.log; rm -f $@; passed=1; failed=0; \
	$(TEST_ENV) timeout 300 $< $$(find tests/fuzz/corpus/$* -type f) \
	    </dev/null >$$log 2>&1 || { passed=0; failed=1; }; \
	printf '  %-7s %-24s %4d passed, %d failed\n' REPLAY $* \
	    $$passed $$failed; \
	if [ $$failed -ne 0 ]; then tail -n 60 $$log; fi; \
	echo $$passed $$failed >$@

# File systems to read: build/host/images/NAME.erofs.
$(filter build/host/test_fs% build/host/test_http_files%,$(UNIT_RESULTS)) \
$(filter build/coverage/test_fs% build/coverage/test_http_files%,$(COVERAGE_RUNS)): \
    build/host/images/stamp
build/host/images/stamp: tests/unit/images
	$(TEST_SAY) IMAGES $(@D)
	$(TEST_Q)rm -rf $(@D) && $< $(@D) && touch $@

# What was counted before counts no more. Whether a test passes is not asked here.
build/coverage/test_%.run: build/coverage/test_% coverage-zero
	@$(TEST_ENV) timeout 1200 $< >$<.log 2>&1 || \
	    echo "  test_$* failed: $<.log (make unit ONLY=$*)"

.PHONY: coverage coverage-zero unit fuzz unit-programs FORCE
coverage-zero:
	@mkdir -p build/coverage
	@find build/coverage -name '*.gcda' -delete

coverage: $(COVERAGE_RUNS) ## which lines the unit tests run, by file
	@tools/coverage build/coverage/obj

unit: $(UNIT_RESULTS) ## unit tests on the fake Xen, and the corpus
	@cat $^ /dev/null | awk '{ passed += $$1; failed += $$2 } END { \
	    printf "unit: %d passed, %d failed\n", passed, failed; \
	    exit failed > 0 || passed == 0 }'

unit-programs: $(UNIT_NAMES:%=build/host/test_%) \
    $(FUZZ_NAMES:%=build/fuzz/fuzz_%)

fuzz: $(FUZZ_NAMES:%=build/fuzz/fuzz_%.runs) ## every fuzzer for FUZZ_SECONDS=60
	@cat $^ /dev/null | awk '{ runs += $$1; failed += $$2 } END { \
	    printf "fuzz: %d fuzzers, %d runs, %d failed\n", NR, runs, failed; \
	    exit failed > 0 || NR == 0 }'

# What is new to it is kept in build/fuzz/corpus/NAME/, and what it fails on as
# build/fuzz/NAME-*. Here, too, the recipe itself succeeds. Of the log the part
# from the first complaint to its summary is shown.
build/fuzz/fuzz_%.runs: build/fuzz/fuzz_% FORCE
	@mkdir -p build/fuzz/corpus/$*; log=$<.log; rm -f $@; failed=0; \
	$(TEST_ENV) $< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -seed=$(SEED) \
	    -artifact_prefix=build/fuzz/$*- -print_final_stats=1 \
	    build/fuzz/corpus/$* tests/fuzz/corpus/$* >$$log 2>&1 || failed=1; \
	runs=$$(awk '/^stat::number_of_executed_units/ { n = $$2 } \
	    END { print n + 0 }' $$log); \
	printf '  %-7s %-24s %8d runs, %d failed\n' FUZZ $* $$runs $$failed; \
	if [ $$failed -ne 0 ]; then \
	    awk '/^#[0-9]+\t|^INFO: |NEW_FUNC/ { next } { print } \
	        /^SUMMARY: / { exit }' $$log | head -n 40; \
	    sed -n 's,.*Test unit written to ,  (again: $< ,p' $$log | \
	        sed 's,$$,; all of it: '$$log'),'; \
	fi; \
	echo $$runs $$failed >$@

FORCE:
.SECONDARY:
.DELETE_ON_ERROR:
