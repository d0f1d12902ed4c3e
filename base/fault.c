/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <stdio.h>
#include <string.h>

int fault_set(struct fault *f, int code, const char *format, ...)
{
	if (!f)
		return code;
	memset(f, 0, sizeof *f);
	f->code = code;
	va_list ap;
	va_start(ap, format);
	vsnprintf(f->text, sizeof f->text, format, ap);
	va_end(ap);
	return code;
}

int fault_advise(struct fault *f, const char *format, ...)
{
	if (!f)
		return 0;
	va_list ap;
	va_start(ap, format);
	vsnprintf(f->advice, sizeof f->advice, format, ap);
	va_end(ap);
	return f->code;
}

int fault_place(struct fault *f, const char *format, ...)
{
	if (!f)
		return 0;
	va_list ap;
	va_start(ap, format);
	vsnprintf(f->place, sizeof f->place, format, ap);
	va_end(ap);
	return f->code;
}

int fault_prefix(struct fault *f, const char *format, ...)
{
	if (!f)
		return 0;
	char was[sizeof f->text];
	memcpy(was, f->text, sizeof was);
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(f->text, sizeof f->text, format, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof f->text)
		snprintf(f->text + n, sizeof f->text - (size_t)n, ": %.*s",
			 (int)(sizeof f->text - 3 - (size_t)n), was);
	return f->code;
}

const char *fault_format(const struct fault *f, char out[FAULT_TEXT])
{
	snprintf(out, FAULT_TEXT, "%s%s%s%s%s", f->place, *f->place ? ": " : "", f->text,
		 *f->advice ? "; " : "", f->advice);
	return out;
}
