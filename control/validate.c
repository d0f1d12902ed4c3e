/* SPDX-License-Identifier: Apache-2.0 */
#include "control/config.h"

void validate(const struct model *m, struct config_findings *findings)
{
	(void)m;
	(void)findings;
}
