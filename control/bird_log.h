/* SPDX-License-Identifier: Apache-2.0 */
/* What BIRD writes into its log and says nowhere else, line by line. No I/O here. */
#ifndef XGW_CONTROL_BIRD_LOG_H
#define XGW_CONTROL_BIRD_LOG_H

#include <stdint.h>

/*
 * The number of the session "peer_NUMBER" that was closed since it had more prefixes than its
 * import limit, once for each time; 0: the line says something else. `line` without its end.
 */
uint32_t bird_log_limit(const char *line);

#endif
