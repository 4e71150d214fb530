/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: reading them without leaving copies, Unicode form, and the policy (R75, R78). The manager never sees a
 * password, so that the policy is enforced here and by the validation page alone.
 */
#ifndef CLIENT_PASSWORD_H
#define CLIENT_PASSWORD_H

#include <stddef.h>

#include <client/error.h>

#define CLIENT_PASSWORD_MAX     256 /* bytes of UTF-8 in form NFC */
#define CLIENT_PASSWORD_GUESSES 1e10

struct client_password {
	size_t len;
	char text[CLIENT_PASSWORD_MAX + 1]; /* NUL-terminated NFC; wiped by client_password_wipe */
};

/*
 * One line from file descriptor `fd`, byte by byte so that nothing is left in a stream buffer; the line end is removed
 * and the text brought to form NFC. CV_EINVAL: empty, not UTF-8, or with a NUL; CV_ELIMIT: too long.
 */
CV_PUBLIC int client_password_read(int fd, struct client_password *ret, struct client_error *err) CV_NODISCARD;
/* Asks on the terminal with echo switched off; a signal that ends the program leaves the terminal as it was. CV_EINVAL:
 * there is no terminal; CV_EIO: it cannot be used. */
CV_PUBLIC int client_password_prompt(const char *prompt, struct client_password *ret,
				     struct client_error *err) CV_NODISCARD;
/* Form NFC from `text` (`len` bytes of UTF-8). Errors as client_password_read. */
CV_PUBLIC int client_password_set(struct client_password *p, const char *text, size_t len,
				  struct client_error *err) CV_NODISCARD;
/* Whose password it is, for the policy; members may be NULL. */
struct client_person {
	const char *email, *first_name, *last_name;
};
/*
 * The policy, the same as the validation page's: no part of the person's name or address in it, not among the
 * commonest passwords, and at least CLIENT_PASSWORD_GUESSES guesses by zxcvbn. `person` may be NULL.
 * CV_EDENIED with a text that says what to do.
 */
CV_PUBLIC int client_password_check(const struct client_password *p, const struct client_person *person,
				    struct client_error *err) CV_NODISCARD;
CV_PUBLIC void client_password_wipe(struct client_password *p);

#endif
