/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Bounds checks in the form that every supported kernel's verifier can follow. */
#ifndef XGW_BPF_BOUNDS_H
#define XGW_BPF_BOUNDS_H

#include <bpf/bpf_helpers.h>

/* Keeps the compiler from moving a bounds check to another register than the one that is used. */
#define opaque(variable) __asm__ volatile("" : "+r"(variable))

/*
 * True when size is 1 to most (a constant); `bounded` is then the same number, whose bounds every
 * verifier knows: before Linux 6.8 it learns nothing from a comparison with zero, and up to 6.12 a
 * helper refuses a size that might be zero.
 */
static __always_inline bool size_is_within(__u32 size, const __u32 most, __u32 *bounded)
{
	__u32 less = size - 1;

	opaque(less);
	if (less >= most)
		return false;
	*bounded = less + 1;
	return true;
}

#endif
