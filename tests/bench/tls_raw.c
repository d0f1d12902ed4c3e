/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a TLS handshake costs its server, in memory: tls_raw CHAIN.pem KEY.pem COUNT. Whole
 * handshakes without a session that is taken up again, by the library's own choices, as the gateway
 * makes them. Processor time of the server's side alone; one line of JSON.
 */
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "tls_raw: %s\n", what);
	exit(1);
}

static double spent(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds of the server; making and freeing its state belong to them. */
static double handshake(SSL_CTX *server, SSL_CTX *client)
{
	double start = spent();
	SSL *s = SSL_new(server);
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	BIO_up_ref(to_server);
	BIO_up_ref(to_client);
	SSL_set_bio(s, to_server, to_client);
	double took = spent() - start;
	SSL *c = SSL_new(client);
	SSL_set_bio(c, to_client, to_server);
	for (bool done = false; !done;) {
		done = SSL_connect(c) == 1;
		start = spent();
		done &= SSL_accept(s) == 1;
		took += spent() - start;
	}
	SSL_free(c);
	start = spent();
	SSL_free(s);
	return took + spent() - start;
}

int main(int argc, char **argv)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method()),
		*client = SSL_CTX_new(TLS_client_method());
	must(argc == 4 && atoi(argv[3]) > 0, "CHAIN.pem KEY.pem COUNT");
	must(SSL_CTX_use_certificate_chain_file(server, argv[1]) == 1 &&
		     SSL_CTX_use_PrivateKey_file(server, argv[2], SSL_FILETYPE_PEM) == 1,
	     "the certificate can't be used");
	SSL_CTX_set_options(server, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(server, 0);
	SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
	int count = atoi(argv[3]);
	double seconds = 0;
	for (int i = 0; i < count; i++)
		seconds += handshake(server, client);
	printf("{\"handshakes\":%d,\"microseconds\":%.1f}\n", count, seconds * 1e6 / count);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return 0;
}
