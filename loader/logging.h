/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines to standard error, and what libbpf and libxdp say as log lines of group xdp. */
#ifndef XGW_LOADER_LOGGING_H
#define XGW_LOADER_LOGGING_H

#include <stdbool.h>

/* verbosity: 0 = the default level, positive more, negative less. `stamped`: time and group on each
 * line. */
void logging_start(int verbosity, bool stamped);
/* While probing, the libraries' complaints are expected: nothing of theirs is shown. */
void logging_hush_libraries(bool hush);

#endif
