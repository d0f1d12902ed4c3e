/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rows of maps.def as definitions in the section .maps. Keys of arrays are __u32: the kernel
 * refuses the BTF of any other and bpftool would show hex.
 */
#ifndef XGW_MAPS_BPF_H
#define XGW_MAPS_BPF_H

#include "maps/layout.h"
#include "maps/meta.h"

#include <bpf/bpf_helpers.h>

#define MAP(name_, type_, key_, value_, entries_, flags_, meaning_) \
	struct {                                                    \
		__uint(type, BPF_MAP_TYPE_##type_);                 \
		__uint(max_entries, entries_);                      \
		__uint(map_flags, flags_);                          \
		__type(key, key_);                                  \
		__type(value, value_);                              \
	} name_ SEC(".maps");
#define RAW(name_, type_, key_size_, value_size_, entries_, meaning_) \
	struct {                                                      \
		__uint(type, BPF_MAP_TYPE_##type_);                   \
		__uint(max_entries, entries_);                        \
		__uint(key_size, key_size_);                          \
		__uint(value_size, value_size_);                      \
	} name_ SEC(".maps");
#include "maps/maps.def"
#undef MAP
#undef RAW

#endif
