#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what xgw needs, from Debian's (or Ubuntu's) packages and from nowhere else. This is the one
# place where dependencies are named, each with its reason.
#
#   scripts/dependencies.sh build    to compile xgw
#   scripts/dependencies.sh test     build + what the tests and the demo run (default)
#   scripts/dependencies.sh bench    test + the peers that the benchmarks compare with
#   scripts/dependencies.sh list     print the packages of the set given as second word, and install nothing
set -euo pipefail

build=(
	gcc make pkg-config git                 # the build
	clang llvm                              # BPF objects; the fuzzers
	libbpf-dev bpftool                      # loading, skeletons, BTF
	libxdp-dev                              # attaching beside other XDP programs, AF_XDP rings
	libelf-dev zlib1g-dev                   # libbpf's own needs when linking
	libssl-dev                              # IKE's cryptography, TLS, ESP fallback, the test oracle
	liburcu-dev                             # SA tables read by the workers without locks
	libevent-dev                            # event loop, metrics over HTTP
	libmnl-dev                              # netlink: links, neighbours, routes
	libfyaml-dev                            # YAML with positions
	libjansson-dev                          # JSON output, templates of Resource Manager
	libxml2-dev                             # classic network configurations (xgw import)
	libsystemd-dev                          # readiness and watchdog (sd_notify)
	linux-libc-dev libc6-dev                # kernel and C headers
)
# AES-GCM at VAES speed; x86-64 only, the OpenSSL back end serves elsewhere
[ "$(dpkg --print-architecture)" = amd64 ] && build+=(libipsec-mb-dev)

test=(
	libcmocka-dev                           # unit tests
	libclang-rt-14-dev                      # libFuzzer and the sanitizers of clang
	python3 python3-pytest python3-scapy    # end-to-end and packet-level tests
	python3-yaml python3-cryptography       # the tests' configurations and an independent ESP
	python3-cryptography-vectors            # NIST's test vectors
	python3-prometheus-client               # reads metrics as Prometheus does
	iproute2 iputils-ping ethtool nftables  # namespaces, veth, NAT
	iperf3 curl tcpdump tshark              # traffic and captures
	charon-systemd strongswan-charon strongswan-swanctl libstrongswan-standard-plugins
	libstrongswan-extra-plugins libcharon-extra-plugins   # the real IKE peer (ESP in userspace)
	libcharon-extauth-plugins                            # EAP-MSCHAPv2 of that peer, as a client
	dnsmasq-base                            # answers for the names of sites, without a service
	sstp-client ppp                         # the real client of SSTP, run in a guest
	clang-format clang-tidy shellcheck universal-ctags    # make lint
	man-db bash procps psmisc util-linux    # man pages checked, helpers
)
# a machine with the kernel's own IPsec as a peer, as a process; Debian has it for x86 only
[ "$(dpkg --print-architecture)" = amd64 ] && test+=(user-mode-linux kmod)
# machines with Debian's stock kernels, emulated: what their verifiers say
[ "$(dpkg --print-architecture)" = amd64 ] && test+=(qemu-system-x86)
# somebody else's XDP program beside ours there: xdp-filter
test+=(xdp-tools)
# what libreswan needs, a peer that the tests run in such a machine
test+=(libnss3-tools libldns3 libunbound8 libcurl3-nss libcap-ng0 libevent-pthreads-2.1-7)
# peers that can't be installed beside strongSwan, or would listen on this host: their files alone, under build-peers/, with
# the libraries that this host has not. frr: EVPN that fills the tables of a VXLAN overlay's directory, and BGP of sites and
# providers; bird2: BGP and BFD on our side, which a gateway's host has installed, with its service disabled
unpacked=(libreswan openiked frr bird2)
# VRRP of two gateways of which one stands by; a service that a gateway's host has for itself
unpacked+=(keepalived)
# what stands in the initramfs of such a machine
unpacked+=(busybox-static)
# the kernels: the folder, the suite that has it, the package that depends on the newest one
kernels=("linux-6.1 bookworm linux-image-cloud-amd64" "linux-6.12 trixie linux-image-cloud-amd64")
# ML-KEM is in OpenSSL 3.5, which is Debian 13's: on Debian 12 its files alone, with the C library that they need
newer_suite=trixie newer=(libssl3t64 libc6)
bench=(
	wireguard-go wireguard-tools            # peer to compare rates with
	openvpn                                 # the same for clients (point-to-site)
	linux-perf                              # profiles
)

set_of() {
	case $1 in
	build) printf '%s\n' "${build[@]}" ;;
	test) printf '%s\n' "${build[@]}" "${test[@]}" ;;
	bench) printf '%s\n' "${build[@]}" "${test[@]}" "${bench[@]}" ;;
	*) echo "dependencies.sh: unknown set '$1' (build, test, bench)" >&2; exit 2 ;;
	esac
}

if [ "${1:-}" = list ]; then set_of "${2:-test}"; exit; fi
fetch() {
	apt-get download -qq "$@" || { apt-get update -qq && apt-get download -qq "$@"; }
}

# those that the packages in this directory depend on and that are neither installed nor here
missing_libraries() {
	local p
	for p in $(find . -name '*.deb' -exec dpkg-deb -f {} Depends \; | tr , '\n' | awk '$1 ~ /^lib/ { print $1 }' | sort -u); do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || compgen -G "${p}_*.deb" > /dev/null ||
			echo "$p"
	done
}

# and what those depend on
fetch_libraries() {
	local p missing
	while missing=$(missing_libraries) && [ -n "$missing" ]; do
		for p in $missing; do fetch "$p" || return; done
	done
}

unpack() {
	local to=build-peers/$1 work p
	[ -d "$to" ] && return
	[ "$(id -u)" = 0 ] || { echo "dependencies.sh: $to is missing; run this as root" >&2; exit 1; }
	work=$(mktemp -d)
	(cd "$work" && fetch "$1" && fetch_libraries) > "$work/log" 2>&1 ||
		{ cat "$work/log" >&2; rm -rf "$work"; echo "dependencies.sh: cannot fetch $1" >&2; exit 1; }
	mkdir -p build-peers
	for p in "$work"/*.deb; do dpkg -x "$p" "$to.part"; done
	mv "$to.part" "$to"
	rm -rf "$work"
}

has_mlkem() {
	local version
	version=$(dpkg-query -W -f '${Version}\n' libssl3t64 libssl3 2>/dev/null | head -1)
	dpkg --compare-versions "$version" ge 3.5
}

# unpack_suite FOLDER SUITE PACKAGE...: from where this machine has its own suite; of a package without files of its own,
# what it depends on
unpack_suite() {
	local to=build-peers/$1 suite=$2 work mirror p
	shift 2
	# shellcheck disable=SC2016  # apt-get's own format
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | awk '$2 == "Debian" { print $1; exit }')
	if [ -z "$mirror" ]; then
		echo "dependencies.sh: no $* of $suite for this distribution: its tests are left out" >&2
		return
	fi
	[ "$(id -u)" = 0 ] || { echo "dependencies.sh: $to is missing; run this as root" >&2; exit 1; }
	work=$(mktemp -d)
	mkdir -p "$work/lists/partial" "$work/cache"
	echo "deb $mirror $suite main" > "$work/sources.list"
	local options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
		-o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
	(cd "$work" && apt-get -qq "${options[@]}" update &&
		case $1 in
		linux-image-*) set -- "$(apt-cache "${options[@]}" depends "$1" | awk '$1 == "Depends:" { print $2; exit }')" ;;
		esac && apt-get -qq "${options[@]}" download "$@") > "$work/log" 2>&1 ||
		{ cat "$work/log" >&2; rm -rf "$work"; echo "dependencies.sh: cannot fetch $* of $suite" >&2; exit 1; }
	mkdir -p build-peers
	rm -rf "$to.part"
	for p in "$work"/*.deb; do dpkg -x "$p" "$to.part"; done
	mv "$to.part" "$to"
	rm -rf "$work"
}

unpack_newer() {
	[ -d build-peers/openssl ] || has_mlkem || unpack_suite openssl "$newer_suite" "${newer[@]}"
}

unpack_kernels() {
	local k folder suite package
	[ "$(dpkg --print-architecture)" = amd64 ] || return 0
	for k in "${kernels[@]}"; do
		read -r folder suite package <<< "$k"
		[ -d "build-peers/$folder" ] || unpack_suite "$folder" "$suite" "$package"
	done
}

unpack_all() {
	[ "${1:-test}" = build ] && return
	for p in "${unpacked[@]}"; do unpack "$p"; done
	unpack_newer
	unpack_kernels
}

cd "$(dirname "$0")/.."
mapfile -t want < <(set_of "${1:-test}")
missing=()
for p in "${want[@]}"; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	unpack_all "${1:-test}"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	echo "dependencies.sh: missing ${missing[*]}; run this as root" >&2
	exit 1
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# a service of a peer must not start on the host because its package was installed
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' > $policy
	chmod 755 $policy
	trap 'rm -f $policy' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /tmp/xgw-dependencies.$$.log 2>&1 || {
	tail -20 /tmp/xgw-dependencies.$$.log >&2
	echo "dependencies.sh: apt-get failed; the whole log: /tmp/xgw-dependencies.$$.log" >&2
	exit 1
}
rm -f /tmp/xgw-dependencies.$$.log
unpack_all "${1:-test}"
