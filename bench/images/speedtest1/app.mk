# SPDX-License-Identifier: MIT
#
# The benchmark itself, unmodified, for the SQLite that there is; its warnings
# are SQLite's.

SPEEDTEST1_OBJ := build/obj/bench/images/speedtest1/upstream.o

$(SPEEDTEST1_OBJ): bench/images/speedtest1/app.mk database/sqlite/sqlite_options.h \
    $(TP_STAMP_SQLITE) $(TP_STAMP_NEWLIB)
	$(say) CC $(TP_SQLITE)/speedtest1.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(TP_INC_SQLITE) -w -Dmain=speedtest1_main \
	    -include database/sqlite/sqlite_options.h \
	    -c $(TP_SQLITE)/speedtest1.c -o $@

APP_OBJ_speedtest1 += $(SPEEDTEST1_OBJ)
build/speedtest1.elf.debug: $(SPEEDTEST1_OBJ)
