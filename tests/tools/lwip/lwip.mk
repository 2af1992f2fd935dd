# SPDX-License-Identifier: MIT
#
# lwIP's own unit tests as one program, with our options and patches:
# build/host/lwip_unit/run. tests/tools/test_lwip runs it; lwIP's sources must be
# there already, since they are looked for here.

MAKEFLAGS += --no-builtin-rules
include third_party/third_party.mk

OUT := build/host/lwip_unit
LWIP := $(TP_SRC)/lwip
# MQTT and mDNS are here because the tests' main names their suites.
C := $(wildcard $(LWIP)/src/core/*.c $(LWIP)/src/core/ipv4/*.c \
    $(LWIP)/src/core/ipv6/*.c $(LWIP)/src/api/*.c \
    $(LWIP)/src/apps/mdns/*.c $(LWIP)/src/apps/mqtt/*.c) \
    $(LWIP)/src/netif/ethernet.c \
    $(filter-out %/test_pppos.c,$(wildcard $(LWIP)/test/unit/*.c \
    $(LWIP)/test/unit/*/*.c)) tests/tools/lwip/port.c net/checksum.c
O := $(C:%.c=$(OUT)/%.o)

$(OUT)/run: $(O)
	$(TP_Q)$(TP_HOST_CC) $(TP_HOST_FLAGS) $^ -lcheck -lsubunit -lm -o $@

$(O): $(OUT)/%.o: %.c $(TP_STAMP_SRC_LWIP) tests/tools/lwip/lwip.mk
	@mkdir -p $(@D)
	$(TP_Q)$(TP_HOST_CC) $(TP_HOST_FLAGS) -w -Itests/tools/lwip -I. -Ibuild \
	    $(TP_INC_LWIP) -I$(LWIP)/test/unit -MMD -MP -c $< -o $@

# A test looks at what a reply that is ignored must not change; our patch 0030
# has no time there any more, but a count of refusals.
$(OUT)/$(LWIP)/test/unit/dhcp/test_dhcp.o: TP_HOST_FLAGS += -Drequest_timeout=naks

-include $(O:.o=.d)
.DEFAULT_GOAL := $(OUT)/run
