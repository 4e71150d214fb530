/* SPDX-License-Identifier: Apache-2.0 */
#include "files_world.h"

struct cast c;
struct site sites[SITES];
char dir[64];
size_t head, tail;

uint32_t leaf_of(const struct site *s)
{
	return client_group_leaf(s->person->group);
}

/* Messages are delivered at once: a queue keeps calls from nesting without end. */
struct item {
	struct site *from, *to;
	PB(AppMessage) * app;
	PB(Control) * control;
	struct cv_buf chunk;
};
#define QUEUE 4096
static struct item queue[QUEUE];

static struct item *push(struct site *from, struct site *to)
{
	struct item *i = &queue[tail % QUEUE];

	assert_true(tail - head < QUEUE);
	tail++;
	memset(i, 0, sizeof(*i));
	i->from = from;
	i->to = to;
	return i;
}

int on_app(void *ctx, const PB(AppMessage) * msg)
{
	struct cv_buf b;

	cv_buf_init(&b, 65536);
	assert_int_equal(proto_app_pack(msg, &b), 0);
	for (size_t i = 0; i < SITES; i++) {
		if (&sites[i] != ctx && sites[i].files != NULL)
			assert_int_equal(proto_app_unpack(b.data, b.len, &push(ctx, &sites[i])->app), 0);
	}
	cv_buf_done(&b);
	return 0;
}

int on_control(void *ctx, const PB(Control) * msg)
{
	struct site *s = ctx;
	struct cv_buf b;

	cv_buf_init(&b, 65536);
	assert_int_equal(proto_control_pack(msg, &b), 0);
	if (msg->body_case == PB_CONTROL(FILE_JOIN))
		s->joined = true;
	if (msg->body_case == PB_CONTROL(FILE_CREDIT)) {
		struct item *i = push(s, &sites[0]);

		assert_int_equal(proto_control_unpack(b.data + 1, b.len - 1, &i->control), 0);
		i->control->file_credit->leaf = leaf_of(s);
	}
	cv_buf_done(&b);
	return 0;
}

int on_chunk(void *ctx, const void *msg, size_t len)
{
	for (size_t i = 1; i < SITES; i++) {
		struct site *s = &sites[i];
		struct item *it;

		if (!s->joined || (s->drop != 0 && ++s->chunks % s->drop == 0))
			continue;
		it = push(ctx, s);
		cv_buf_init(&it->chunk, 65536);
		assert_int_equal(cv_buf_put(&it->chunk, msg, len), 0);
		if (s->flip != UINT32_MAX && it->chunk.data[24] == (uint8_t)s->flip) {
			it->chunk.data[60] ^= 4;
			s->flip = UINT32_MAX;
		}
	}
	return 0;
}

void on_event(void *ctx, const struct client_file_event *e)
{
	struct site *s = ctx;

	s->last = e->state;
	memcpy(s->id, e->transfer_id, 16);
	s->done += e->state == CLIENT_FILE_DONE;
	s->failed += e->state == CLIENT_FILE_FAILED;
	s->offered += e->state == CLIENT_FILE_OFFERED;
	s->cancelled += e->state == CLIENT_FILE_CANCELLED;
	if (e->path != NULL)
		snprintf(s->path, sizeof(s->path), "%s", e->path);
	if (e->text != NULL)
		snprintf(s->text, sizeof(s->text), "%s", e->text);
}

void run_some(size_t n)
{
	while (head < tail && n-- > 0) {
		struct item i = queue[head++ % QUEUE];

		if (i.to->files != NULL && i.app != NULL)
			client_files_app(i.to->files, leaf_of(i.from), i.app);
		else if (i.to->files != NULL && i.control != NULL)
			client_files_credit(i.to->files, i.control->file_credit);
		else if (i.to->files != NULL)
			client_files_chunk(i.to->files, i.chunk.data, i.chunk.len);
		if (i.app != NULL)
			proto_app_free(i.app);
		if (i.control != NULL)
			proto_control_free(i.control);
		cv_buf_done(&i.chunk);
	}
}

void run(void)
{
	run_some(SIZE_MAX);
}

int setup(void **state)
{
	const char *names[SITES] = {"ann", "bob", "cem"};

	memset(sites, 0, sizeof(sites));
	head = tail = 0;
	cast_init(&c);
	snprintf(dir, sizeof(dir), "/tmp/conclave-files-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < SITES; i++) {
		struct client_files_callbacks cb = {on_app, on_control, on_chunk, on_event, &sites[i]};

		sites[i].person = cast_person(&c, names[i], TALK, NULL);
		sites[i].flip = UINT32_MAX;
		if (i == 0)
			cast_create(&c, sites[0].person);
		else
			cast_admit(&c, sites[0].person, sites[i].person);
		assert_int_equal(
			client_files_new(sites[i].person->group, cv_rng_system(), c.run_id, &cb, &sites[i].files), 0);
	}
	return 0;
}

int teardown(void **state)
{
	char command[128];

	run();
	for (size_t i = 0; i < SITES; i++)
		client_files_free(sites[i].files);
	cast_done(&c);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

void make_file(const char *name, size_t size, char path[256])
{
	static uint8_t data[SIZE];
	FILE *f;

	snprintf(path, 256, "%s/%s", dir, name);
	assert_int_equal(cv_rng_fill(cv_rng_system(), data, size), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

void offer(const char *path)
{
	uint8_t sha[32], id[16];
	uint64_t size;

	assert_int_equal(client_file_measure(path, &size, sha), 0);
	assert_int_equal(client_files_offer(sites[0].files, path, size, sha, id), 0);
	run();
	assert_int_equal(sites[1].offered, 1);
	assert_memory_equal(sites[1].id, id, 16);
}

void same_file(const char *a, const char *b)
{
	uint8_t x[32], y[32];
	uint64_t n, m;

	assert_int_equal(client_file_measure(a, &n, x), 0);
	assert_int_equal(client_file_measure(b, &m, y), 0);
	assert_int_equal(n, m);
	assert_memory_equal(x, y, 32);
}

unsigned parts(void)
{
	char command[128];
	FILE *p;
	int n = -1;

	snprintf(command, sizeof(command), "ls -A '%s' | grep -c part", dir);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return (unsigned)n;
}
