/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the benches: a clock, bare primitives to compare with, and the table that is printed and kept as JSON. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Ends the program with a message when a call that must succeed did not. */
#define MUST(call) bench_must((call), #call, __FILE__, __LINE__)
void bench_must(int err, const char *what, const char *file, int line);

/* Monotonic seconds. */
double bench_now(void);
/* The shortest of `runs` calls, in seconds: the least disturbed by whatever else the machine does. */
double bench_best(int runs, void (*fn)(void *arg), void *arg);

/* One line of the table: what was measured against what, and the bound (0: none). `higher_is_better` for throughputs.
 */
struct bench_row {
	const char *work;
	unsigned n;
	double value;     /* seconds, or bytes per second */
	double reference; /* in the same unit, from the same run */
	double bound;     /* of value / reference */
	int higher_is_better;
};
void bench_add(const struct bench_row *row);
/* Prints the table, writes it to `json_path` (NULL: not). Returns how many bounds are missed: main must fail on it. */
int bench_report(const char *title, const char *json_path);

/* Bare primitives of OpenSSL, seconds per operation. */
double bare_ed25519_verify(void);
/* What one HPKE Base seal with X25519, HKDF-SHA256 and AES-128-GCM cannot do without. */
double bare_hpke_seal(void);
/* d2i_X509 and the public key of a certificate. */
double bare_x509_parse(const uint8_t *der, size_t len);
/* Bytes per second of EVP AES-128-GCM on `frame` bytes with a fresh nonce each, seal and open; best of `runs`. */
void bare_aes_gcm(size_t frame, int runs, double *ret_seal, double *ret_open);

#endif
