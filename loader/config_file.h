/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file and the secrets it names, read from disk. */
#ifndef XGW_LOADER_CONFIG_FILE_H
#define XGW_LOADER_CONFIG_FILE_H

#include "control/config.h"

/*
 * Reads and parses. 0; -EINVAL with findings; another -errno with a fault when the file cannot be
 * read. Secret files are taken relative to the configuration's directory; one that others can read
 * is an error.
 */
int must_check config_file_load(const char *path, struct model *out,
				struct config_findings *findings, struct fault *f);
/* The same, for who will read it again: see config_parse_kept. */
int must_check config_file_load_kept(const char *path, struct model *out,
				     struct config_findings *findings,
				     const struct config_former *former, const struct model *was,
				     struct config_former **kept, struct fault *f);

#endif
