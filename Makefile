# SPDX-License-Identifier: Apache-2.0
# One makefile for the whole tree: a static library per folder, the BPF object, the program, the tests.
#   make            build/xgw                   make check    install, build, run every test
#   make demo       the product on a topology   make bench    the figures of docs/PERFORMANCE.md
#   V=1 shows the commands. FLAVOUR=asan|fuzz|tsan builds into build-FLAVOUR/ beside build/.

PREFIX     ?= /usr/local
DESTDIR    ?=
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
FLAVOUR    ?=
B          := build$(if $(FLAVOUR),-$(FLAVOUR))
Q          := $(if $(V),,@)
say         = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')
VERSION    := 0.1.0
ARCH       := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
JOBS       := $(shell nproc)

CC         := gcc
CLANG      := clang
OPT        := -O2 -g
WARN       := -Wall -Wextra -Werror -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes \
              -Wpointer-arith -Wcast-qual -Wno-missing-field-initializers
HARDEN     := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
SAN        :=
ifeq ($(FLAVOUR),asan)
OPT        := -O1 -g -fno-omit-frame-pointer
HARDEN     := -fPIE
SAN        := -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(FLAVOUR),tsan)
OPT        := -O1 -g -fno-omit-frame-pointer
HARDEN     := -fPIE
SAN        := -fsanitize=thread
else ifeq ($(FLAVOUR),fuzz)
CC         := $(CLANG)
OPT        := -O1 -g -fno-omit-frame-pointer
HARDEN     := -fPIE
SAN        := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
endif

PKGS       := libbpf libxdp openssl liburcu-qsbr libevent_core libevent_extra libmnl libfyaml jansson libxml-2.0 libsystemd
ifneq ($(MAKECMDGOALS),clean)
HAVE_PKGS  := $(shell pkg-config --exists $(PKGS) 2>/dev/null && echo yes)
PKG_CFLAGS := $(if $(HAVE_PKGS),$(shell pkg-config --cflags $(PKGS)))
endif
# Debian's libipsec-mb has no .pc file; without the header the OpenSSL back end serves alone
HAVE_IMB   := $(wildcard /usr/include/intel-ipsec-mb.h)
CPPFLAGS   := -D_GNU_SOURCE -DXGW_VERSION='"$(VERSION)"' -I. -I$(B) $(PKG_CFLAGS) \
              $(if $(HAVE_IMB),-DXGW_HAVE_IPSEC_MB)
CFLAGS     := -std=gnu11 $(OPT) $(WARN) $(HARDEN) $(SAN) -pthread
LDFLAGS    := -pie -Wl,-z,relro,-z,now $(SAN) -pthread
L_BASE     := -lssl -lcrypto
L_ESP      := $(if $(HAVE_IMB),-lIPSec_MB) -lcrypto
L_MAPS     := -lbpf -ljansson
L_ALL      := -lxdp -lbpf -lssl -lcrypto $(if $(HAVE_IMB),-lIPSec_MB) -lurcu-qsbr -levent_core \
              -levent_extra -lmnl -lfyaml -ljansson -lxml2 -lsystemd

# ---- folders and their arrows: a folder's tests link its own library and those behind it ----
FOLDERS    := base auth esp maps datapath ike p2s control loader
DEP_base     :=
DEP_auth     := base
DEP_esp      := base
DEP_maps     := base
DEP_datapath := esp maps base
DEP_ike      := auth base
DEP_control  := maps base
DEP_p2s      := auth base
DEP_loader   := datapath ike p2s control esp maps auth base

SRC_OF      = $(sort $(wildcard $(1)/*.c))
OBJ_OF      = $(patsubst %.c,$(B)/%.o,$(call SRC_OF,$(1)))
libs_of     = $(B)/lib$(1).a $(foreach d,$(DEP_$(1)),$(B)/lib$(d).a)

BPF_OBJ    := $(B)/bpf/xgw.bpf.o
BPF_SKEL   := $(B)/bpf/xgw.skel.h
BPF_SKELS  := $(BPF_SKEL) $(B)/bpf/transmit.skel.h
PROG       := $(B)/xgw

.PHONY: all
all: check-tools $(PROG)

.PHONY: check-tools
check-tools:
	$(Q)[ -n "$(HAVE_PKGS)" ] || { echo "make: libraries are missing; run 'scripts/dependencies.sh build' as root" >&2; exit 1; }

# ---- BPF ----
BPF_DEPS   := $(wildcard bpf/*.c bpf/*.h maps/*.h maps/*.def vmlinux/*.h)
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -D__bpf__ -I. -Ivmlinux \
              -Wall -Wextra -Werror -Wno-unused-function
$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(BPF_DEPS)
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp
	$(Q)bpftool gen object $@ $@.tmp && rm -f $@.tmp
$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)bpftool gen skeleton $< name $*_bpf > $@

# ---- C ----
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
# only the loader embeds the programs
$(call OBJ_OF,loader): $(BPF_SKELS)

define library
$(B)/lib$(1).a: $(call OBJ_OF,$(1))
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@; ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call library,$(f))))

$(PROG): $(call OBJ_OF,loader) $(foreach d,$(DEP_loader),$(B)/lib$(d).a)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group -o $@ $(L_ALL)

# ---- tests in C: tests/unit/FOLDER/test_X.c links FOLDER and what stands behind its arrows ----
UNIT_SRC   := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BIN   := $(patsubst %.c,$(B)/%,$(UNIT_SRC))
SIM_SRC    := $(sort $(wildcard tests/sim/sim_*.c))
SIM_BIN    := $(patsubst %.c,$(B)/%,$(SIM_SRC))
BPFT_SRC   := $(sort $(wildcard tests/bpf/test_*.c))
BPFT_BIN   := $(patsubst %.c,$(B)/%,$(BPFT_SRC))
FUZZ_SRC   := $(sort $(wildcard tests/fuzz/*/fuzz_*.c))
FUZZ_BIN   := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
folder_of   = $(word 3,$(subst /, ,$(1)))
# every library of the arrows, so that one rule serves all; unused ones are not pulled in
LIBDEPS    := $(foreach f,$(filter-out loader,$(FOLDERS)),$(B)/lib$(f).a)

define unit_rule
$(B)/tests/unit/$(1)/%: tests/unit/$(1)/%.c $(call libs_of,$(1))
	@mkdir -p $$(@D)
	$$(call say,TEST,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -MMD -MP $$(LDFLAGS) $$< -Wl,--start-group $(call libs_of,$(1)) -Wl,--end-group -o $$@ -lcmocka $$(L_ALL)
$(B)/tests/fuzz/$(1)/%: tests/fuzz/$(1)/%.c $(call libs_of,$(1))
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$$@)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -fsanitize=fuzzer -MMD -MP $$(LDFLAGS) $$< -Wl,--start-group $(call libs_of,$(1)) -Wl,--end-group -o $$@ $$(L_ALL)
endef
$(foreach f,$(FOLDERS),$(eval $(call unit_rule,$(f))))

$(B)/tests/sim/%: tests/sim/%.c $(wildcard tests/sim/*.h) $(call libs_of,ike)
	@mkdir -p $(@D)
	$(call say,SIM,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(call libs_of,ike) -Wl,--end-group -o $@ -lcmocka $(L_ALL)

$(B)/tests/bpf/%: tests/bpf/%.c $(wildcard tests/bpf/*.h) $(BPF_SKELS) $(call libs_of,maps)
	@mkdir -p $(@D)
	$(call say,TEST,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(call libs_of,maps) -Wl,--end-group -o $@ -lcmocka $(L_ALL)

# helpers of the end-to-end tests and benchmarks (small C programs, one file each)
TOOL_SRC   := $(sort $(wildcard tests/bench/*.c tests/e2e/*.c) tests/interop/esp_peer.c tests/interop/signature_peer.c)
TOOL_BIN   := $(patsubst %.c,$(B)/%,$(TOOL_SRC))
$(B)/tests/bench/%: tests/bench/%.c $(LIBDEPS)
	@mkdir -p $(@D)
	$(call say,TOOL,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(LIBDEPS) -Wl,--end-group -o $@ $(L_ALL)
$(B)/tests/interop/%: tests/interop/%.c $(LIBDEPS)
	@mkdir -p $(@D)
	$(call say,TOOL,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(LIBDEPS) -Wl,--end-group -o $@ $(L_ALL)
$(B)/tests/e2e/%: tests/e2e/%.c $(call libs_of,loader)
	@mkdir -p $(@D)
	$(call say,TOOL,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(call libs_of,loader) -Wl,--end-group -o $@ $(L_ALL)

.PHONY: tools unit-bins sim-bins bpf-bins fuzz-bins
# with two that the tests of ML-KEM run beside another OpenSSL, and one that other kernels run
tools: $(TOOL_BIN) $(B)/tests/unit/ike/test_dh $(B)/tests/sim/sim_additional $(B)/tests/unit/loader/test_sstp_tls
unit-bins: $(UNIT_BIN)
sim-bins: $(SIM_BIN)
bpf-bins: $(BPFT_BIN)
fuzz-bins: $(FUZZ_BIN)

# ---- what people call ----
.PHONY: demo check bench install uninstall clean format lint fuzz
demo check bench lint fuzz:
	$(Q)scripts/ci.sh $@
format:
	$(Q)clang-format -i $$(git ls-files '*.c' '*.h' | grep -v '^vmlinux/vmlinux.h')
clean:
	rm -rf build build-asan build-tsan build-fuzz build-peers

install: all
	install -D -m 755 $(PROG) $(DESTDIR)$(PREFIX)/sbin/xgw
	install -D -m 644 docs/xgw.8 $(DESTDIR)$(PREFIX)/share/man/man8/xgw.8
	install -D -m 644 docs/gateway.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/gateway.yaml.5
	install -D -m 644 scripts/xgw.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/xgw
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(PREFIX)/sbin|' scripts/xgw.service > $(DESTDIR)$(UNITDIR)/xgw.service
	install -D -m 644 docs/examples/first.yaml $(DESTDIR)$(PREFIX)/share/doc/xgw/examples/first.yaml
	[ -e $(DESTDIR)$(SYSCONFDIR)/xgw/gateway.yaml ] || install -D -m 600 docs/examples/first.yaml $(DESTDIR)$(SYSCONFDIR)/xgw/gateway.yaml.example
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/xgw $(DESTDIR)$(PREFIX)/share/man/man8/xgw.8 \
	  $(DESTDIR)$(PREFIX)/share/man/man5/gateway.yaml.5 $(DESTDIR)$(UNITDIR)/xgw.service \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/xgw $(DESTDIR)$(SYSCONFDIR)/xgw/gateway.yaml.example
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/xgw

-include $(shell find $(B) -name '*.d' 2>/dev/null)
