// SPDX-License-Identifier: Apache-2.0
/*
 * Preloaded into User-Mode Linux. On a processor whose XSAVE area is larger than UML's own buffer
 * (AMX: 11 KiB against 2696 bytes) PTRACE_SETREGSET of that buffer fails with EFAULT and the guest
 * dies when it starts init. Here the area is filled up from what the process has.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned char area[65536] __attribute__((aligned(64)));

static long set_xstate(int pid, const struct iovec *given)
{
	struct iovec all = {area, sizeof(area)};

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, (long)NT_X86_XSTATE, &all) != 0 ||
	    all.iov_len <= given->iov_len)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, (long)NT_X86_XSTATE, given);
	memcpy(area, given->iov_base, given->iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, (long)NT_X86_XSTATE, &all);
}

/* The C library's ptrace(): requests that peek return the word that the system call stores through
 * its last argument. */
long ptrace(enum __ptrace_request request, ...)
{
	va_list list;
	va_start(list, request);
	int pid = va_arg(list, int);
	long address = va_arg(list, long), data = va_arg(list, long), word = 0;
	va_end(list);

	if (request == PTRACE_SETREGSET && address == NT_X86_XSTATE)
		return set_xstate(pid, (const struct iovec *)data);
	if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER)
		return syscall(SYS_ptrace, request, pid, address, data);
	return syscall(SYS_ptrace, request, pid, address, &word) < 0 ? -1 : word;
}
