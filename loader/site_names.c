/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/site_names.h"

#include "base/instant.h"
#include "base/log.h"
#include "control/site_names.h"
#include "loader/clock.h"
#include "loader/reload.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define ASK_AT_ONCE 100 /* in a second: the names of ten thousand sites are no burst */
#define ANSWERS_MAX 32
#define TOLD	    4

struct told {
	uint64_t at_ns;
	char text[200];
};

struct site_name {
	char *fqdn;
	uint8_t family;
	uint32_t site;		/* of the model */
	struct question *asked; /* NULL: none under way */
	struct ip_addr waiting; /* for the end of a reload */
	uint64_t due_ns, asked_ns;
	uint64_t looked_up, failed, refused, moved;
	char error[300]; /* of the last look-up; empty: it went well */
	uint64_t error_ns;
	struct told told[TOLD]; /* the oldest first */
	unsigned n_told;
};

/* The answer may come when nobody wants to know any more. */
struct question {
	struct site_names *names;
	struct site_name *of; /* NULL: gone */
	struct question *next;
};

struct site_names {
	struct daemon *d;
	struct evdns_base *dns;	  /* made anew when nothing is under way: so are the files read */
	struct evdns_base *hosts; /* has no servers */
	struct site_name **at;	  /* in the order of the sites */
	uint32_t n, next;	  /* the first that the next second looks at */
	struct question *questions;
};

/* ---- what is told ---- */

__attribute__((format(printf, 2, 3))) static void tell(struct site_name *x, const char *format, ...)
{
	va_list ap;
	if (x->n_told == TOLD)
		memmove(x->told, x->told + 1, sizeof x->told[0] * --x->n_told);
	struct told *t = &x->told[x->n_told++];
	t->at_ns = clock_now_ns();
	va_start(ap, format);
	vsnprintf(t->text, sizeof t->text, format, ap);
	va_end(ap);
}

static const char *address_of(const struct site_names *s, const struct site_name *x,
			      char text[IP_TEXT])
{
	const struct ip_addr *a = &s->d->model.sites[x->site].address;
	return a->family ? ip_addr_format(a, text) : NULL;
}

/* Once in the log for each other reason. */
static void complain(struct site_names *s, struct site_name *x, const char *what,
		     const char *advice)
{
	char text[IP_TEXT], line[sizeof x->error];
	const char *kept = address_of(s, x, text);
	snprintf(line, sizeof line, "fqdn %.100s: %s; %s%s; %s", x->fqdn, what,
		 kept ? "stays with " : "waits, nothing is sent or answered", kept ? kept : "",
		 advice);
	x->error_ns = clock_now_ns();
	if (strcmp(line, x->error) == 0)
		return;
	snprintf(x->error, sizeof x->error, "%s", line);
	tell(x, "%s", line);
	log_warn(LOG_NET, "site-name site=%s: %s", s->d->model.sites[x->site].name, line);
}

static void failed(struct site_names *s, struct site_name *x, int result)
{
	const char *family = x->family == IP_V6 ? "AAAA" : "A";
	char what[120];
	x->failed++;
	switch (result) {
	case DNS_ERR_NOTEXIST:
		complain(s, x, "the server says there is no such name (NXDOMAIN)",
			 "correct fqdn, or enter the name in the DNS");
		break;
	case DNS_ERR_NONE:
	case DNS_ERR_NODATA:
		snprintf(what, sizeof what, "the name has no %s record", family);
		complain(s, x, what,
			 "enter an address of the family of the gateway's publicIPAddress");
		break;
	case DNS_ERR_TIMEOUT:
		complain(s, x, "no server of /etc/resolv.conf answered",
			 "look at that file, and at the way to the servers");
		break;
	default:
		snprintf(what, sizeof what, "the server could not tell (%.60s)",
			 evdns_err_to_string(result));
		complain(s, x, what, "look at the servers of /etc/resolv.conf");
		break;
	}
}

/* ---- another address ---- */

static void move(struct site_names *s, struct site_name *x, const struct ip_addr *to)
{
	struct daemon *d = s->d;
	struct model_site *site = &d->model.sites[x->site];
	char was[IP_TEXT], is[IP_TEXT], text[FAULT_TEXT];
	struct fault f = {0};
	const char *before = address_of(s, x, was);
	if (reload_busy(d->reload)) {
		x->waiting = *to;
		return;
	}
	x->waiting.family = IP_NONE;
	if (ip_addr_equal(&site->address, to))
		return;
	x->moved++;
	tell(x, "fqdn %.100s: %s%s%s", x->fqdn, ip_addr_format(to, is),
	     before ? ", before it " : "", before ? before : "");
	log_info(LOG_NET, "site-name site=%s fqdn=%s address=%s was=%s", site->name, x->fqdn, is,
		 before ? before : "unknown");
	int err = ike_host_move_site(d->ike, x->site, &site->address, to, &f);
	/* nothing that BGP learns leads to the outer address of a site */
	if (!err && d->plan.n_peers)
		err = routing_follow(d->routing, &f);
	if (err)
		log_error(LOG_NET, "site-name site=%s: %s", site->name, fault_format(&f, text));
}

/* An address of this host, or that of one of its networks which everybody hears. */
static const char *fault_here(const struct ip_addr *a)
{
	const char *fault = NULL;
	struct ifaddrs *all = NULL;
	if (a->family != IP_V4 && a->family != IP_V6)
		return "of another family";
	if (getifaddrs(&all))
		return NULL;
	for (const struct ifaddrs *i = all; i && !fault; i = i->ifa_next) {
		const struct sockaddr_in *v4 = (const void *)i->ifa_addr,
					 *every = (const void *)i->ifa_broadaddr;
		const struct sockaddr_in6 *v6 = (const void *)i->ifa_addr;
		if (!v4 || v4->sin_family != (a->family == IP_V4 ? AF_INET : AF_INET6))
			continue;
		if (a->family == IP_V6 ? !memcmp(&v6->sin6_addr, a->b, 16)
				       : !memcmp(&v4->sin_addr, a->b, 4))
			fault = "an address of this gateway's host";
		else if (a->family == IP_V4 && every && !memcmp(&every->sin_addr, a->b, 4))
			fault = "the broadcast address of a network here";
	}
	freeifaddrs(all);
	return fault;
}

/* What no site can have: a resolver that lies, or one that blocks names by such answers. */
static bool refuse(struct site_names *s, struct site_name *x, const struct ip_addr *a)
{
	const struct model *m = &s->d->model;
	char text[IP_TEXT], what[160];
	const char *fault = site_name_fault(a), *rival = NULL;
	for (uint32_t i = 0; !fault && i < m->n_gateways; i++)
		if (ip_addr_equal(&m->gateways[i].public_address, a))
			fault = "an address of this gateway's host";
	if (!fault)
		fault = fault_here(a);
	if (!fault)
		rival = site_name_rival(m, x->site, a);
	if (!fault && !rival)
		return false;
	x->refused++;
	ip_addr_format(a, text);
	if (rival)
		snprintf(what, sizeof what, "the answer %s is refused: the peer of %.60s, too",
			 text, rival);
	else
		snprintf(what, sizeof what, "the answer %s is refused: %s", text, fault);
	complain(s, x, what,
		 rival ? "give the sites an identity each"
		       : "look at who answers for the name, and at its record");
	return true;
}

static void take(struct site_names *s, struct site_name *x, const struct ip_addr *answers,
		 uint32_t n, uint32_t ttl)
{
	const struct ip_addr *present = &s->d->model.sites[x->site].address;
	const struct ip_addr *chosen = &answers[site_name_choose(present, answers, n)];
	x->due_ns = clock_now_ns() + site_name_seconds(ttl) * NS_PER_S;
	if (refuse(s, x, chosen))
		return;
	if (*x->error) {
		*x->error = '\0';
		tell(x, "fqdn %.100s: looked up again", x->fqdn);
		log_info(LOG_NET, "site-name site=%s fqdn=%s: looked up again",
			 s->d->model.sites[x->site].name, x->fqdn);
	}
	move(s, x, chosen);
}

/* ---- asking ---- */

static void drop_question(struct question *q)
{
	struct question **at = &q->names->questions;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (q->of)
		q->of->asked = NULL;
	free(q);
}

static void on_answer(int result, char type, int count, int ttl, void *addresses, void *owner)
{
	struct question *q = owner;
	struct site_names *s = q->names;
	struct site_name *x = q->of;
	struct ip_addr answers[ANSWERS_MAX];
	uint32_t n = 0;
	bool v6 = type == DNS_IPv6_AAAA;
	drop_question(q);
	if (!x)
		return;
	for (int i = 0; result == DNS_ERR_NONE && i < count && n < ANSWERS_MAX; i++)
		answers[n++] = ip_addr_from_bytes(v6 ? IP_V6 : IP_V4,
						  (const uint8_t *)addresses + i * (v6 ? 16 : 4));
	x->due_ns = clock_now_ns() + SITE_NAME_MIN_SECONDS * NS_PER_S;
	if (n && v6 == (x->family == IP_V6))
		take(s, x, answers, n, ttl > 0 ? (uint32_t)ttl : 0);
	else
		failed(s, x, result);
}

struct found {
	bool there;
	struct ip_addr answers[ANSWERS_MAX];
	uint32_t n;
};

static void on_hosts(int result, struct evutil_addrinfo *all, void *owner)
{
	struct found *found = owner;
	if (result == EVUTIL_EAI_CANCEL) /* comes later, when nobody is there any more */
		return;
	found->there = !result;
	for (struct evutil_addrinfo *i = all; i && found->n < ANSWERS_MAX; i = i->ai_next) {
		const struct sockaddr_in *v4 = (const void *)i->ai_addr;
		const struct sockaddr_in6 *v6 = (const void *)i->ai_addr;
		bool is_v6 = i->ai_family == AF_INET6;
		found->answers[found->n++] = ip_addr_from_bytes(
			is_v6 ? IP_V6 : IP_V4,
			is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr);
	}
	if (all)
		evutil_freeaddrinfo(all);
}

/* What /etc/hosts says goes before what servers say. */
static bool ask_hosts(struct site_names *s, struct site_name *x)
{
	struct evutil_addrinfo hints = {.ai_family = x->family == IP_V6 ? AF_INET6 : AF_INET,
					.ai_socktype = SOCK_DGRAM,
					.ai_protocol = IPPROTO_UDP};
	struct found found = {0};
	struct evdns_getaddrinfo_request *r =
		evdns_getaddrinfo(s->hosts, x->fqdn, NULL, &hints, on_hosts, &found);
	if (r)
		evdns_getaddrinfo_cancel(r);
	if (r || !found.n)
		return false;
	take(s, x, found.answers, found.n, 0);
	return true;
}

/* The files as they are now; servers that are asked already are not left. */
static bool ready(struct site_names *s)
{
	evdns_base_clear_host_addresses(s->hosts);
	evdns_base_load_hosts(s->hosts, "/etc/hosts");
	if (s->questions)
		return true;
	if (s->dns)
		evdns_base_free(s->dns, 0);
	s->dns = evdns_base_new(s->d->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!s->dns)
		return false;
	evdns_base_set_option(s->dns, "timeout:", "2");
	evdns_base_set_option(s->dns, "attempts:", "2");
	evdns_base_resolv_conf_parse(s->dns, DNS_OPTION_NAMESERVERS | DNS_OPTION_MISC,
				     "/etc/resolv.conf");
	return true;
}

static void ask(struct site_names *s, struct site_name *x, uint64_t now)
{
	x->looked_up++;
	x->asked_ns = now;
	x->due_ns = now + SITE_NAME_MIN_SECONDS * NS_PER_S;
	if (ask_hosts(s, x))
		return;
	struct question *q = calloc(1, sizeof *q);
	if (!q)
		return;
	*q = (struct question){s, x, s->questions};
	s->questions = q;
	x->asked = q;
	struct evdns_request *r =
		x->family == IP_V6 ? evdns_base_resolve_ipv6(s->dns, x->fqdn, DNS_QUERY_NO_SEARCH,
							     on_answer, q)
				   : evdns_base_resolve_ipv4(s->dns, x->fqdn, DNS_QUERY_NO_SEARCH,
							     on_answer, q);
	if (!r) {
		drop_question(q);
		failed(s, x, DNS_ERR_UNKNOWN);
	}
}

/* One that a person took down is not missed. */
static bool is_down(const struct site_names *s, const struct site_name *x)
{
	const struct daemon *d = s->d;
	struct ike_status *status = calloc(1, sizeof *status);
	bool down = false;
	for (uint32_t i = 0; status && !down && i < d->plan.n_connections; i++) {
		const struct plan_connection *pc = &d->plan.connections[i];
		const struct model_connection *c = &d->model.connections[pc->model];
		if (c->site == x->site && !ike_host_status(d->ike, pc->id, status))
			down = status->state != IKE_STATE_ESTABLISHED &&
			       (status->wanted || c->mode == MODEL_MODE_RESPONDER);
	}
	free(status);
	return down;
}

void site_names_second(struct site_names *s)
{
	uint64_t now = clock_now_ns();
	unsigned asked = 0;
	bool prepared = false;
	for (uint32_t i = 0; i < s->n && asked < ASK_AT_ONCE; i++) {
		struct site_name *x = s->at[s->next++ % s->n];
		struct ip_addr to = x->waiting;
		if (to.family && !reload_busy(s->d->reload))
			move(s, x, &to);
		if (x->asked ||
		    (now < x->due_ns && now < x->asked_ns + SITE_NAME_DOWN_SECONDS * NS_PER_S))
			continue;
		asked++;
		if (now < x->due_ns && !is_down(s, x)) {
			x->asked_ns = now; /* looked at again as late as if it had been asked */
			continue;
		}
		if (!prepared && !ready(s))
			return;
		prepared = true;
		ask(s, x, now);
	}
}

/* ---- names come and go ---- */

static void free_name(struct site_name *x)
{
	if (x && x->asked)
		x->asked->of = NULL;
	if (x)
		free(x->fqdn);
	free(x);
}

/* With all that is known of it, when it was there before. */
static struct site_name *adopt(struct site_names *s, const char *fqdn, uint8_t family,
			       uint32_t *hint)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t k = (*hint + i) % s->n;
		struct site_name *x = s->at[k];
		if (x && x->family == family && strcasecmp(x->fqdn, fqdn) == 0) {
			s->at[k] = NULL;
			*hint = k + 1;
			return x;
		}
	}
	struct site_name *x = calloc(1, sizeof *x);
	if (x)
		x->fqdn = strdup(fqdn);
	if (x && !x->fqdn) {
		free(x);
		return NULL;
	}
	if (x)
		x->family = family;
	return x;
}

int site_names_follow(struct site_names *s, struct fault *f)
{
	const struct model *m = &s->d->model;
	struct site_name **list = calloc(m->n_sites + 1u, sizeof *list);
	uint8_t *families = calloc(m->n_sites + 1u, 1);
	uint32_t n = 0, hint = 0; /* most are where they were */
	bool whole = list && families;
	if (families)
		site_name_families(m, families);
	for (uint32_t i = 0; whole && i < m->n_sites; i++) {
		if (!families[i])
			continue;
		struct site_name *x = adopt(s, m->sites[i].fqdn, families[i], &hint);
		whole = x != NULL;
		if (x) {
			x->site = i;
			list[n++] = x;
		}
	}
	for (uint32_t i = 0; i < s->n; i++)
		free_name(s->at[i]);
	free(s->at);
	free(families);
	s->at = list;
	s->n = n;
	s->next = 0;
	return whole ? 0 : fault_set(f, -ENOMEM, "not enough memory for the sites' names");
}

int site_names_open(struct site_names **out, struct daemon *d, struct fault *f)
{
	struct site_names *s = *out = calloc(1, sizeof *s);
	if (!s)
		return fault_set(f, -ENOMEM, "not enough memory for the sites' names");
	s->d = d;
	s->hosts = evdns_base_new(d->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!s->hosts)
		return fault_set(f, -ENOMEM, "not enough memory for the sites' names");
	return site_names_follow(s, f);
}

void site_names_close(struct site_names *s)
{
	if (!s)
		return;
	if (s->dns)
		evdns_base_free(s->dns, 0);
	if (s->hosts)
		evdns_base_free(s->hosts, 0);
	for (uint32_t i = 0; i < s->n; i++)
		free_name(s->at[i]);
	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		free(q);
	}
	free(s->at);
	free(s);
}

/* ---- status ---- */

static void add_told(const struct site_name *x, json_t *events)
{
	char when[CLOCK_TEXT];
	for (unsigned i = 0; i < x->n_told; i++)
		json_array_append_new(events, json_pack("{s:s,s:s}", "at",
							clock_format(x->told[i].at_ns, when),
							"text", x->told[i].text));
}

static const struct site_name *find(const struct site_names *s, uint32_t site)
{
	uint32_t low = 0, high = s ? s->n : 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (s->at[middle]->site < site)
			low = middle + 1;
		else
			high = middle;
	}
	return s && low < s->n && s->at[low]->site == site ? s->at[low] : NULL;
}

void site_names_describe(const struct site_names *s, uint32_t site, json_t *connection)
{
	char when[CLOCK_TEXT];
	const struct site_name *x = find(s, site);
	if (!x)
		return;
	json_object_set_new(connection, "fqdn", json_string(x->fqdn));
	json_object_set_new(connection, "fqdnLookups",
			    json_pack("{s:I,s:I,s:I,s:I}", "all", (json_int_t)x->looked_up,
				      "failed", (json_int_t)x->failed, "refused",
				      (json_int_t)x->refused, "moved", (json_int_t)x->moved));
	add_told(x, json_object_get(connection, "events"));
	if (!*x->error)
		return;
	json_object_set_new(connection, "lastError", json_string(x->error));
	json_object_set_new(connection, "lastErrorAt",
			    json_string(clock_format(x->error_ns, when)));
}
