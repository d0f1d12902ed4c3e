/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_TYPE	"text/plain; version=0.0.4; charset=utf-8"
#define TIMEOUT_SECONDS 5
#define HEADERS_BYTES	8192
#define LABEL_NAME	32

/* ---- the text ---- */

struct metric {
	const char *list, *inner, *path, *each, *part, *word, *type, *name, *labels, *help;
};

static const struct metric metrics[] = {
#define METRIC(list, inner, path, each, part, word, type, name, labels, help) \
	{list, inner, path, each, part, word, #type, name, labels, help},
#include "loader/metrics.def"
};

/* One element, and the one that it is in. */
struct element {
	const json_t *outer, *it;
};

static void write_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", to);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void write_label(FILE *to, bool *any, const char *name, size_t n, const char *value)
{
	fprintf(to, "%s%.*s=\"", *any ? "," : "{", (int)n, name);
	write_escaped(to, value);
	fputc('"', to);
	*any = true;
}

/* Labels without a value are left out: to Prometheus they are the same. */
static void write_labels(FILE *to, bool *any, const char *spec, const struct element *e)
{
	while (*spec) {
		char key[LABEL_NAME];
		size_t name = strcspn(spec, "="), end = strcspn(spec, ",");
		bool outer = spec[name + 1] == '^';
		snprintf(key, sizeof key, "%.*s", (int)(end - name - 1 - outer),
			 spec + name + 1 + outer);
		const char *value =
			json_string_value(json_object_get(outer ? e->outer : e->it, key));
		if (value)
			write_label(to, any, spec, name, value);
		spec += end + (spec[end] == ',');
	}
}

static bool is_value(const json_t *v)
{
	return json_is_number(v) || json_is_boolean(v) || json_is_string(v);
}

static void write_value(FILE *to, const struct metric *m, const json_t *v)
{
	if (json_is_string(v))
		fprintf(to, " %d\n", strcmp(json_string_value(v), m->word) == 0);
	else if (json_is_integer(v))
		fprintf(to, " %" JSON_INTEGER_FORMAT "\n", json_integer_value(v));
	else if (json_is_real(v))
		fprintf(to, " %.9g\n", json_real_value(v));
	else
		fprintf(to, " %d\n", json_is_true(v));
}

/* One line of the family; its head in front of the first. */
static void write_series(FILE *to, const struct metric *m, const struct element *e,
			 const char *member, const json_t *v, bool *begun)
{
	bool labels = false;
	if (!is_value(v))
		return;
	if (!*begun)
		fprintf(to, "# HELP xgw_%s %s\n# TYPE xgw_%s %s\n", m->name, m->help, m->name,
			m->type);
	*begun = true;
	fprintf(to, "xgw_%s", m->name);
	write_labels(to, &labels, m->labels, e);
	if (member)
		write_label(to, &labels, m->each, strlen(m->each), member);
	if (labels)
		fputc('}', to);
	write_value(to, m, v);
}

static void write_element(FILE *to, const struct metric *m, const struct element *e, bool *begun)
{
	json_t *v = json_object_get(e->it, m->path), *of;
	const char *member;
	if (!*m->each) {
		write_series(to, m, e, NULL, v, begun);
		return;
	}
	json_object_foreach(v, member, of)
		write_series(to, m, e, member, *m->part ? json_object_get(of, m->part) : of, begun);
}

static void write_family(FILE *to, const struct metric *m, const json_t *document)
{
	struct element e = {document, document};
	const json_t *list = json_object_get(document, m->list);
	bool begun = false;
	if (!*m->list)
		write_element(to, m, &e, &begun);
	for (size_t i = 0; i < json_array_size(list); i++) {
		e.it = e.outer = json_array_get(list, i);
		const json_t *inner = json_object_get(e.outer, m->inner);
		if (!*m->inner)
			write_element(to, m, &e, &begun);
		for (size_t k = 0; k < json_array_size(inner); k++) {
			e.it = json_array_get(inner, k);
			write_element(to, m, &e, &begun);
		}
	}
}

/* Clients come and go: they are counted, a series for each would never end. */
static void write_clients(FILE *to, const json_t *document)
{
	static const char *const protocols[] = {"IkeV2", "SSTP"};
	const json_t *clients = json_object_get(document, "clients");
	fputs("# HELP xgw_clients Clients that are connected, by protocol\n"
	      "# TYPE xgw_clients gauge\n",
	      to);
	for (size_t p = 0; p < sizeof protocols / sizeof *protocols; p++) {
		unsigned n = 0;
		for (size_t i = 0; i < json_array_size(clients); i++) {
			const json_t *c = json_array_get(clients, i);
			const char *by = json_string_value(json_object_get(c, "protocol"));
			const char *is = json_string_value(json_object_get(c, "connectionStatus"));
			n += by && is && strcmp(by, protocols[p]) == 0 &&
			     strcmp(is, "Connected") == 0;
		}
		fprintf(to, "xgw_clients{protocol=\"%s\"} %u\n", protocols[p], n);
	}
}

static void write_info(FILE *to, const json_t *document)
{
	const json_t *daemon = json_object_get(document, "daemon");
	const struct element of_document = {document, document}, of_daemon = {document, daemon};
	bool labels = false;
	fputs("# HELP xgw_info The instance and what it runs with\n# TYPE xgw_info gauge\n"
	      "xgw_info",
	      to);
	write_labels(to, &labels, "instance=instance", &of_document);
	write_labels(to, &labels, "crypto_backend=cryptoBackend", &of_daemon);
	write_label(to, &labels, "version", strlen("version"), XGW_VERSION);
	fputs("} 1\n", to);
}

void metrics_write(FILE *to, const json_t *document)
{
	write_info(to, document);
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
		write_family(to, &metrics[i], document);
	write_clients(to, document);
}

/* ---- the server ---- */

struct metrics {
	struct evhttp *http;
	metrics_document *document;
	void *owner;
};

static char *text_of(struct metrics *m, size_t *size)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, size);
	json_t *document = to ? m->document(m->owner) : NULL;
	if (document)
		metrics_write(to, document);
	bool whole = document && !ferror(to);
	json_decref(document);
	if (to && fclose(to))
		whole = false;
	if (whole)
		return text;
	free(text);
	return NULL;
}

static void on_request(struct evhttp_request *request, void *owner)
{
	size_t size = 0;
	char *text = text_of(owner, &size);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	if (!text || evbuffer_add(evhttp_request_get_output_buffer(request), text, size))
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
	else {
		evhttp_add_header(headers, "Content-Type", CONTENT_TYPE);
		evhttp_add_header(headers, "Connection", "close");
		evhttp_send_reply(request, HTTP_OK, NULL, NULL);
	}
	free(text);
}

static int bind_to(struct metrics *m, const char *address, struct fault *f)
{
	char host[64];
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;
	bool bracket = n > 2 && address[0] == '[' && address[n - 1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(bracket ? n - 2 : n), address + bracket);
	uint16_t port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
	if (evhttp_bind_socket(m->http, host, port) == 0)
		return 0;
	int err = errno ? errno : EINVAL;
	fault_set(f, -err, "host.metrics: cannot listen on %s: %s", address, strerror(err));
	return fault_advise(f, err == EADDRINUSE ? "another program has that port: `ss -ltnp`"
						 : "the address must be one of this host's");
}

int metrics_open(struct metrics **out, struct event_base *base, const char *address,
		 metrics_document *document, void *owner, struct fault *f)
{
	struct metrics *m = calloc(1, sizeof *m);
	if (m)
		m->http = evhttp_new(base);
	if (!m || !m->http) {
		free(m);
		return fault_set(f, -ENOMEM, "not enough memory for host.metrics");
	}
	m->document = document;
	m->owner = owner;
	evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(m->http, HEADERS_BYTES);
	evhttp_set_max_body_size(m->http, 0);
	evhttp_set_timeout(m->http, TIMEOUT_SECONDS);
	int err = evhttp_set_cb(m->http, "/metrics", on_request, m) ? -ENOMEM
								    : bind_to(m, address, f);
	if (err) {
		metrics_close(m);
		return err;
	}
	*out = m;
	return 0;
}

void metrics_close(struct metrics *m)
{
	if (!m)
		return;
	evhttp_free(m->http);
	free(m);
}
