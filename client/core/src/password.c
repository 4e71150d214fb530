/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>
#include <zxcvbn.h>

#include <base/secret.h>
#include <base/text.h>
#include <client/password.h>

#define KNOWN_MAX 64
#define WORD_MIN  3 /* characters of a personal word that count */

static const char *const common_passwords[] = {
#include "../data/common_passwords.inc"
};

void client_password_wipe(struct client_password *p)
{
	cv_wipe(p, sizeof(*p));
}

int client_password_set(struct client_password *p, const char *text, size_t len, struct client_error *err)
{
	/* NFC of 256 bytes of UTF-8 never needs more than three times the room. */
	uint8_t normal[CLIENT_PASSWORD_MAX * 3];
	size_t normal_len = sizeof(normal);
	uint8_t *out;
	int r = 0;

	if (len == 0)
		return client_fail(err, CV_EINVAL, CLIENT_USAGE, "the password is empty");
	if (len > CLIENT_PASSWORD_MAX)
		return client_fail(err, CV_ELIMIT, CLIENT_USAGE, "the password is longer than %d bytes",
				   CLIENT_PASSWORD_MAX);
	if (!cv_utf8_valid(text, len))
		return client_fail(err, CV_EINVAL, CLIENT_USAGE, "the password is not valid UTF-8");
	out = u8_normalize(UNINORM_NFC, (const uint8_t *)text, len, normal, &normal_len);
	if (out != normal) {
		if (out != NULL) {
			cv_wipe(out, normal_len);
			free(out);
		}
		r = client_fail(err, CV_ELIMIT, CLIENT_USAGE, "the password is longer than %d bytes",
				CLIENT_PASSWORD_MAX);
		goto out;
	}
	if (normal_len > CLIENT_PASSWORD_MAX) {
		r = client_fail(err, CV_ELIMIT, CLIENT_USAGE, "the password is longer than %d bytes",
				CLIENT_PASSWORD_MAX);
		goto out;
	}
	memcpy(p->text, normal, normal_len);
	p->text[normal_len] = '\0';
	p->len = normal_len;
out:
	cv_wipe(normal, sizeof(normal));
	return r;
}

int client_password_read(int fd, struct client_password *ret, struct client_error *err)
{
	char line[CLIENT_PASSWORD_MAX + 2];
	size_t len = 0;
	int r;

	for (;;) {
		ssize_t n;

		if (len == sizeof(line))
			break;
		n = read(fd, line + len, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || line[len] == '\n')
			break;
		len++;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	r = client_password_set(ret, line, len, err);
	cv_wipe(line, sizeof(line));
	return r;
}

/* Waits for a line on the terminal. False: a signal of `signal_fd` came first, which is still pending. */
static bool wait_line(int fd, int signal_fd)
{
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return p[1].revents == 0;
}

/* Those that stop a program while it asks, without those that the caller has blocked for itself. */
static void stopping(sigset_t *ret, sigset_t *before)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

	sigemptyset(ret);
	pthread_sigmask(SIG_BLOCK, NULL, before);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (!sigismember(before, signals[i]))
			sigaddset(ret, signals[i]);
	}
	pthread_sigmask(SIG_BLOCK, ret, NULL);
}

/* Asks once. True: a signal came instead of a line; it strikes when the terminal is as it was. */
static bool ask(int fd, const struct termios *saved, const char *prompt, struct client_password *ret,
		struct client_error *err, int *ret_r)
{
	struct termios quiet = *saved;
	sigset_t stop, before;
	bool interrupted = false;
	int signal_fd;

	stopping(&stop, &before);
	signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
	quiet.c_lflag |= ECHONL;
	dprintf(fd, "%s", prompt);
	if (signal_fd < 0 || tcsetattr(fd, TCSAFLUSH, &quiet) != 0)
		*ret_r = client_fail(err, CV_EIO, CLIENT_USAGE, "the terminal cannot be used to ask for the password");
	else if (wait_line(fd, signal_fd))
		*ret_r = client_password_read(fd, ret, err);
	else
		interrupted = true;
	tcsetattr(fd, TCSAFLUSH, saved);
	if (interrupted)
		dprintf(fd, "\n");
	if (signal_fd >= 0)
		close(signal_fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return interrupted;
}

int client_password_prompt(const char *prompt, struct client_password *ret, struct client_error *err)
{
	struct termios saved;
	int fd, r = 0;

	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || tcgetattr(fd, &saved) != 0) {
		if (fd >= 0)
			close(fd);
		return client_fail(err, CV_EINVAL, CLIENT_USAGE,
				   "there is no terminal to ask for the password: use --password-stdin");
	}
	/* again after a signal that did not end the program, such as Ctrl-Z */
	while (ask(fd, &saved, prompt, ret, err, &r))
		;
	close(fd);
	return r;
}

static int compare_word(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

static bool is_common(const struct client_password *p)
{
	char lower[CLIENT_PASSWORD_MAX + 1];
	bool found;

	for (size_t i = 0; i <= p->len; i++)
		lower[i] = (char)(p->text[i] >= 'A' && p->text[i] <= 'Z' ? p->text[i] + 32 : p->text[i]);
	found = bsearch(lower, common_passwords, sizeof(common_passwords) / sizeof(common_passwords[0]),
			sizeof(common_passwords[0]), compare_word) != NULL;
	cv_wipe(lower, sizeof(lower));
	return found;
}

/* Words of the person, folded, one after the other with NULs between. */
struct words {
	char text[2048];
	size_t used;
	const char *list[KNOWN_MAX + 2];
	size_t n;
};

static void add_word(struct words *w, const char *word, size_t len)
{
	size_t room = sizeof(w->text) - w->used;
	size_t out_len = room > 0 ? room - 1 : 0;
	uint8_t *dst = (uint8_t *)w->text + w->used, *out;

	if (u8_mbsnlen((const uint8_t *)word, len) < WORD_MIN || w->n >= KNOWN_MAX || out_len == 0)
		return;
	out = u8_tolower((const uint8_t *)word, len, NULL, UNINORM_NFC, dst, &out_len);
	if (out != dst) {
		free(out);
		return;
	}
	w->list[w->n++] = w->text + w->used;
	w->used += out_len;
	w->text[w->used++] = '\0';
}

static void add_parts(struct words *w, const char *text, size_t len, const char *separators)
{
	while (len > 0) {
		size_t part = 0;

		while (part < len && strchr(separators, text[part]) == NULL)
			part++;
		add_word(w, text, part);
		part += part < len;
		text += part;
		len -= part;
	}
}

static void collect(struct words *w, const struct client_person *person)
{
	const char *names[] = {person->first_name, person->last_name};
	const char *email = person->email != NULL ? person->email : "";
	const char *at = strchr(email, '@');
	size_t local = at != NULL ? (size_t)(at - email) : strlen(email);

	for (size_t i = 0; i < 2; i++) {
		if (names[i] != NULL)
			add_parts(w, names[i], strlen(names[i]), " \t'-");
	}
	add_word(w, email, local);
	add_parts(w, email, local, "._+-");
	if (at != NULL) {
		add_word(w, at + 1, strlen(at + 1));
		add_word(w, at + 1, strcspn(at + 1, "."));
	}
}

static bool holds_word(const struct client_password *p, const struct words *w)
{
	uint8_t folded[CLIENT_PASSWORD_MAX * 3 + 1];
	size_t len = sizeof(folded) - 1;
	uint8_t *out = u8_tolower((const uint8_t *)p->text, p->len, NULL, UNINORM_NFC, folded, &len);
	bool found = out != folded;

	if (out == folded) {
		folded[len] = '\0';
		for (size_t i = 0; i < w->n && !found; i++)
			found = strstr((const char *)folded, w->list[i]) != NULL;
	} else if (out != NULL) {
		cv_wipe(out, len);
		free(out);
	}
	cv_wipe(folded, sizeof(folded));
	return found;
}

int client_password_check(const struct client_password *p, const struct client_person *person, struct client_error *err)
{
	struct words w = {.n = 0};
	double bits;

	if (person != NULL)
		collect(&w, person);
	if (holds_word(p, &w))
		return client_fail(err, CV_EDENIED, CLIENT_USAGE,
				   "this password holds your name or e-mail address; choose another");
	if (is_common(p))
		return client_fail(err, CV_EDENIED, CLIENT_USAGE,
				   "this password is among the commonest ones; choose another");
	w.list[w.n] = "conclave";
	bits = ZxcvbnMatch(p->text, w.list, NULL);
	if (bits < log2(CLIENT_PASSWORD_GUESSES))
		return client_fail(err, CV_EDENIED, CLIENT_USAGE,
				   "this password is too easy to guess; choose a longer one, for example several "
				   "unrelated words");
	return 0;
}
