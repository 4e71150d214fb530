/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/line.h>

#define READ_SIZE 4096

struct cv_line_reader {
	struct cv_loop *loop;
	struct cv_fd watch;
	struct cv_deferred again; /* for files, which epoll does not take */
	struct cv_line_cbs cbs;
	void *arg;
	int fd;
	size_t max_line, len;
	bool skipping; /* inside a line that was too long */
	bool *freed;   /* set by free during a callback */
	char line[];   /* max_line + 1 */
};

static void stop(struct cv_line_reader *r)
{
	cv_fd_del(&r->watch);
	cv_deferred_cancel(&r->again);
}

/* Takes one byte in. False when a callback has freed the reader. */
static bool take(struct cv_line_reader *r, char c)
{
	bool freed = false;

	/* Taken back before this returns, unless r is gone. */
	/* cppcheck-suppress autoVariables */
	r->freed = &freed;
	if (c == '\n') {
		bool skipped = r->skipping;
		size_t len = r->len;

		r->skipping = false;
		r->len = 0;
		r->line[len] = '\0';
		if (!skipped)
			r->cbs.on_line(r->arg, r->line, len);
	} else if (r->skipping) {
		/* the rest of a line that has been reported */
	} else if (r->len == r->max_line) {
		r->skipping = true;
		r->cbs.on_end(r->arg, CV_ELIMIT);
	} else {
		r->line[r->len++] = c;
	}
	if (!freed)
		r->freed = NULL;
	return !freed;
}

static void on_input(void *arg, unsigned events)
{
	struct cv_line_reader *r = arg;
	char buf[READ_SIZE];
	ssize_t n = read(r->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (!r->watch.loop)
			cv_deferred_run(&r->again);
		return;
	}
	if (n <= 0) {
		int err = n < 0 ? CV_EIO : 0;

		stop(r);
		/* A last line without newline counts. */
		if (!err && r->len && !r->skipping && !take(r, '\n'))
			return;
		r->cbs.on_end(r->arg, err);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		if (!take(r, buf[i]))
			return;
	if (!r->watch.loop)
		cv_deferred_run(&r->again);
}

static void on_again(void *arg)
{
	on_input(arg, CV_LOOP_READ);
}

int cv_line_reader_new(struct cv_loop *loop, int fd, size_t max_line, const struct cv_line_cbs *cbs, void *arg,
		       struct cv_line_reader **ret_reader)
{
	struct cv_line_reader *r;
	int flags = fcntl(fd, F_GETFL), err;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return CV_EIO;
	r = cv_calloc(1, sizeof(*r) + max_line + 1);
	if (!r)
		return CV_ENOMEM;
	r->loop = loop;
	r->fd = fd;
	r->max_line = max_line;
	r->cbs = *cbs;
	r->arg = arg;
	cv_deferred_init(&r->again, loop, on_again, r);
	err = cv_fd_add(&r->watch, loop, fd, CV_LOOP_READ, on_input, r);
	if (err && errno == EPERM) {
		/* A plain file or /dev/null: always readable, so it is read turn by turn. */
		cv_deferred_run(&r->again);
		err = 0;
	}
	if (err)
		cv_free(r);
	else
		*ret_reader = r;
	return err;
}

void cv_line_reader_free(struct cv_line_reader *r)
{
	if (!r)
		return;
	if (r->freed)
		*r->freed = true;
	stop(r);
	cv_free(r);
}
