/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/line.h>
#include <base/loop.h>
#include <base/time.h>

static struct cv_loop *loop;

static int setup(void **state)
{
	return cv_loop_new(&loop);
}

static int teardown(void **state)
{
	cv_loop_free(loop);
	return 0;
}

#define TIMERS 300

struct probe {
	struct cv_timer t;
	int64_t due, fired;
	int order;
};

static int fired_count;

static void on_probe(void *arg)
{
	struct probe *p = arg;

	p->fired = cv_now_us();
	p->order = fired_count++;
}

static void test_timers_fire_in_order_and_never_early(void **state)
{
	static struct probe p[TIMERS];
	uint32_t x = 12345;

	memset(p, 0, sizeof(p));
	fired_count = 0;
	for (int i = 0; i < TIMERS; i++) {
		assert_int_equal(cv_timer_init(&p[i].t, loop, on_probe, &p[i]), 0);
		x = x * 1664525 + 1013904223;
		p[i].due = cv_now_us() + x % 30000;
		cv_timer_set_at(&p[i].t, p[i].due + 100000);
		cv_timer_set_at(&p[i].t, p[i].due); /* moved to the front */
	}
	for (int i = 0; i < TIMERS; i += 3)
		cv_timer_stop(&p[i].t);
	while (fired_count < TIMERS - TIMERS / 3)
		assert_int_equal(cv_loop_run_once(loop, -1), 0);
	for (int i = 0; i < TIMERS; i++) {
		if (i % 3 == 0) {
			assert_int_equal(p[i].fired, 0);
		} else {
			assert_true(p[i].fired >= p[i].due);
			for (int j = 0; j < TIMERS; j++)
				if (j % 3 && p[j].due < p[i].due)
					assert_true(p[j].order < p[i].order);
		}
		cv_timer_done(&p[i].t);
	}
}

static int rearmed;

static void on_rearm(void *arg)
{
	if (++rearmed < 5)
		cv_timer_set(arg, 0);
}

static void test_timer_rearms_itself_once_per_turn(void **state)
{
	struct cv_timer t;

	rearmed = 0;
	assert_int_equal(cv_timer_init(&t, loop, on_rearm, &t), 0);
	cv_timer_set(&t, 0);
	for (int i = 1; i <= 5; i++) {
		assert_int_equal(cv_loop_run_once(loop, 1000), 0);
		assert_int_equal(rearmed, i);
	}
	assert_false(cv_timer_running(&t));
	cv_timer_done(&t);
}

struct pair {
	struct cv_fd w;
	struct pair *other;
	int calls;
};

/* Both descriptors are ready in one turn; whoever comes first takes the other out. */
static void on_either(void *arg, unsigned events)
{
	struct pair *p = arg;

	p->calls++;
	cv_fd_del(&p->other->w);
}

static void test_removed_watcher_is_not_called_in_the_same_turn(void **state)
{
	struct pair a = {0}, b = {0};
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	a.other = &b;
	b.other = &a;
	assert_int_equal(cv_fd_add(&a.w, loop, s[0], CV_LOOP_WRITE, on_either, &a), 0);
	assert_int_equal(cv_fd_add(&b.w, loop, s[1], CV_LOOP_WRITE, on_either, &b), 0);
	assert_int_equal(cv_loop_run_once(loop, -1), 0);
	assert_int_equal(a.calls + b.calls, 1);
	cv_fd_del(&a.w);
	cv_fd_del(&b.w);
	close(s[0]);
	close(s[1]);
}

static unsigned last_events;

static void on_events(void *arg, unsigned events)
{
	last_events = events;
}

static void test_interest_changes(void **state)
{
	struct cv_fd w = {0};
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(cv_fd_add(&w, loop, s[0], CV_LOOP_READ, on_events, NULL), 0);
	last_events = 0;
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(last_events, 0);
	cv_fd_set(&w, CV_LOOP_READ | CV_LOOP_WRITE);
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(last_events, CV_LOOP_WRITE);
	cv_fd_set(&w, CV_LOOP_READ);
	assert_int_equal(write(s[1], "x", 1), 1);
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(last_events, CV_LOOP_READ);
	cv_fd_set(&w, 0);
	close(s[1]);
	last_events = 0;
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(last_events, CV_LOOP_ERROR);
	cv_fd_del(&w);
	close(s[0]);
}

static int deferred_runs;

static void on_deferred(void *arg)
{
	if (++deferred_runs < 3)
		cv_deferred_run(arg);
}

static void test_deferred_runs_once_per_turn(void **state)
{
	struct cv_deferred d;

	deferred_runs = 0;
	cv_deferred_init(&d, loop, on_deferred, &d);
	cv_deferred_run(&d);
	cv_deferred_run(&d);
	for (int i = 1; i <= 3; i++) {
		/* Asked for again by itself: the next turn does not wait. */
		assert_int_equal(cv_loop_run_once(loop, -1), 0);
		assert_int_equal(deferred_runs, i);
	}
	cv_deferred_run(&d);
	cv_deferred_cancel(&d);
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(deferred_runs, 3);
}

#define POSTS 20000

static int post_seen, post_errors;

static void on_post(void *arg)
{
	if ((int)(intptr_t)arg != post_seen)
		post_errors++;
	if (++post_seen == POSTS)
		cv_loop_quit(loop);
}

static void *post_many(void *arg)
{
	for (intptr_t i = 0; i < POSTS;) {
		int err = cv_loop_post(loop, on_post, (void *)i);

		if (!err)
			i++;
		else if (err != CV_ELIMIT)
			abort();
	}
	return NULL;
}

static void test_posts_from_a_thread_arrive_in_order(void **state)
{
	pthread_t th;

	post_seen = post_errors = 0;
	assert_int_equal(pthread_create(&th, NULL, post_many, NULL), 0);
	assert_int_equal(cv_loop_run(loop), 0);
	pthread_join(th, NULL);
	assert_int_equal(post_seen, POSTS);
	assert_int_equal(post_errors, 0);
}

static void test_posts_are_bounded(void **state)
{
	int err = 0, n = 0;

	post_seen = 0;
	while (!(err = cv_loop_post(loop, on_post, (void *)(intptr_t)n)))
		n++;
	assert_int_equal(err, CV_ELIMIT);
	assert_int_equal(n, CV_LOOP_POSTS_MAX);
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(post_seen, n);
}

static void on_signal(void *arg, int signo)
{
	*(int *)arg = signo;
	cv_loop_quit(loop);
}

static void test_signal_becomes_a_callback(void **state)
{
	int signo = 0;

	assert_int_equal(cv_loop_signals(loop, on_signal, &signo), 0);
	assert_int_equal(cv_loop_signals(loop, on_signal, &signo), CV_EEXIST);
	kill(getpid(), SIGTERM);
	assert_int_equal(cv_loop_run(loop), 0);
	assert_int_equal(signo, SIGTERM);
}

struct lines {
	char text[256];
	struct cv_line_reader *free_at_line;
	int ends, last_end;
};

static void on_line(void *arg, char *line, size_t len)
{
	struct lines *l = arg;

	assert_int_equal(strlen(line), len);
	strcat(l->text, line);
	strcat(l->text, "|");
	if (l->free_at_line)
		cv_line_reader_free(l->free_at_line);
}

static void on_end(void *arg, int err)
{
	struct lines *l = arg;

	l->ends++;
	l->last_end = err;
}

static const struct cv_line_cbs line_cbs = {on_line, on_end};

static void test_lines_from_a_pipe(void **state)
{
	static const char in[] = "one\n\nthis line is too long\nfour\nlast";
	struct lines l = {0};
	struct cv_line_reader *r;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(cv_line_reader_new(loop, p[0], 10, &line_cbs, &l, &r), 0);
	assert_int_equal(write(p[1], in, sizeof(in) - 1), (ssize_t)sizeof(in) - 1);
	assert_int_equal(cv_loop_run_once(loop, 1000), 0);
	assert_int_equal(l.ends, 1);
	assert_int_equal(l.last_end, CV_ELIMIT);
	close(p[1]);
	while (l.ends < 2)
		assert_int_equal(cv_loop_run_once(loop, 1000), 0);
	assert_int_equal(l.last_end, 0);
	assert_string_equal(l.text, "one||four|last|");
	cv_line_reader_free(r);
	close(p[0]);
}

static void test_lines_from_a_file_and_free_inside(void **state)
{
	struct lines l = {0};
	struct cv_line_reader *r;
	FILE *f = tmpfile();

	assert_non_null(f);
	fputs("first\nsecond\n", f);
	fflush(f);
	rewind(f);
	assert_int_equal(cv_line_reader_new(loop, fileno(f), 10, &line_cbs, &l, &r), 0);
	l.free_at_line = r;
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_int_equal(cv_loop_run_once(loop, 0), 0);
	assert_string_equal(l.text, "first|");
	assert_int_equal(l.ends, 0);
	fclose(f);
}

static void test_time_text(void **state)
{
	char t[CV_TIME_TEXT];

	cv_time_format(t, 951782400123);
	assert_string_equal(t, "2000-02-29T00:00:00.123Z");
	cv_time_format(t, -1);
	assert_string_equal(t, "1969-12-31T23:59:59.999Z");
	cv_time_format(t, INT64_MAX);
	assert_string_equal(t, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timers_fire_in_order_and_never_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_rearms_itself_once_per_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_watcher_is_not_called_in_the_same_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interest_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deferred_runs_once_per_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_posts_from_a_thread_arrive_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_posts_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signal_becomes_a_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_from_a_pipe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_from_a_file_and_free_inside, setup, teardown),
		cmocka_unit_test(test_time_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
