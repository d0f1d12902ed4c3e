/* SPDX-License-Identifier: Apache-2.0 */
/* Where the attachments of the model are in the maps: by VNet, by id, by the device of a plain one.
 */
#ifndef XGW_LOADER_PLACES_H
#define XGW_LOADER_PLACES_H

#include "control/plan.h"
#include "loader/attach.h"
#include "loader/hash.h"

struct place {
	const struct model_vnet *vnet; /* of the model */
	const struct model_attachment *attachment;
	uint32_t id;
};

struct places {
	struct place *at; /* those of a VNet stand together */
	uint32_t n;
	struct hash by_vnet, by_id;
	uint32_t plain[XGW_MAX_PORTS]; /* index + 1 of the plain attachment of a port, 0 = none */
};

/* 0 or -ENOMEM. The model must outlive it; made anew when the model or the plan changes. */
int must_check places_make(struct places *p, const struct model *m, const struct plan *plan,
			   const struct attach_port *ports);
void places_free(struct places *p);
/* The attachments of a VNet, *n of them; NULL: none. */
const struct place *places_of_vnet(const struct places *p, uint32_t vnet, uint32_t *n);
const struct place *places_by_id(const struct places *p, uint32_t id);
const struct place *places_plain(const struct places *p, uint32_t port);
/* The address is one that hosts of the VNet may have. */
bool places_has_address(const struct model_vnet *v, const struct ip_addr *a);

#endif
