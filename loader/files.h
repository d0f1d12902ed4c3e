/* SPDX-License-Identifier: Apache-2.0 */
/* Files that commands read and make for a person. */
#ifndef XGW_LOADER_FILES_H
#define XGW_LOADER_FILES_H

#include "base/bytes.h"
#include "base/fault.h"
#include "base/secret.h"

#include <sys/types.h>

/* A file whole, at most `most` bytes. *out is the caller's, from malloc. 0, -errno with a fault. */
int must_check files_read(const char *path, size_t most, uint8_t **out, size_t *len,
			  struct fault *f);
/* A password's file, without the line end. One that others can read is refused (-EACCES). */
int must_check files_read_secret(const char *path, struct secret *out, struct fault *f);
/* DIRECTORY/NAME, with the folders in between (0755). `replace`: in place of what is there; else
 * -EEXIST. Symbolic links are not followed. */
int must_check files_write(const char *directory, const char *name, struct bytes content,
			   mode_t mode, bool replace, struct fault *f);

#endif
