/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that empties the queue. It owns a store of its own; the queue in the database is all they share. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/time.h>

#include "mail/mail.h"

#define BACKOFF_FIRST_S 30
#define BACKOFF_MAX_S   3600
#define GIVE_UP_S       (3 * 86400)
#define IDLE_S          60

struct mgr_mailer {
	const struct mgr_conf *conf;
	struct mgr_keys keys; /* the queue key alone: the service thread may replace its own keys at any time */
	struct mgr_store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool woken;
	int stop; /* atomic */
};

static int64_t backoff(int64_t attempts)
{
	int64_t s = BACKOFF_FIRST_S;
	for (int64_t i = 0; i < attempts && s < BACKOFF_MAX_S; i++)
		s *= 2;
	return s < BACKOFF_MAX_S ? s : BACKOFF_MAX_S;
}

static int deliver(const struct mgr_conf *conf, const struct mgr_keys *keys, const struct mgr_mail *mail,
		   const struct cv_buf *sealed, const int *stop, char why[MGR_MAIL_WHY], bool *ret_final)
{
	struct cv_buf message;
	cv_buf_init_secret(&message, MGR_MAIL_MAX);
	int r = mgr_mail_open(keys, sealed, &message);
	if (r < 0) {
		snprintf(why, MGR_MAIL_WHY, "the queue key does not open this message");
		*ret_final = true;
	} else if (conf->smtp) {
		r = mgr_smtp_send(conf, mail->recipient, message.data, message.len, stop, why, ret_final);
	} else {
		r = mgr_outbox_write(conf->outbox, mail->n, message.data, message.len, why);
	}
	cv_buf_done(&message);
	return r;
}

static int not_sent(struct mgr_store *store, const struct mgr_mail *mail, bool final, const char *why, int64_t now)
{
	if (now - mail->created > GIVE_UP_S)
		final = true;
	cv_log(final ? CV_LOG_ERROR : CV_LOG_WARNING, "mail", final ? "given up" : "not sent, will be tried again",
	       cv_log_str("to", mail->recipient), cv_log_int("n", mail->n), cv_log_str("why", why));
	return final ? mgr_store_mail_given_up(store, mail->n, why, now) : mgr_store_mail_failed(store, mail->n, why);
}

/*
 * 0: a message was dealt with; CV_ENOTFOUND: nothing is due. The attempt is written down before it is made: where the
 * database takes no more writes, nobody gets the same message again and again.
 */
static int send_one(struct mgr_store *store, const struct mgr_conf *conf, const struct mgr_keys *keys, int64_t now,
		    const int *stop)
{
	struct mgr_mail mail = {0};
	struct cv_buf sealed;
	char why[MGR_MAIL_WHY] = "";
	bool final = false;
	cv_buf_init(&sealed, MGR_MAIL_MAX);
	int r = mgr_store_mail_next(store, now, &mail, &sealed);
	if (r < 0)
		goto out;
	r = mgr_store_mail_attempt(store, mail.n, mail.attempts + 1, now + backoff(mail.attempts));
	if (r < 0)
		goto out;
	int sent = deliver(conf, keys, &mail, &sealed, stop, why, &final);
	if (sent == 0) {
		r = mgr_store_mail_sent(store, mail.n, now);
		cv_log(CV_LOG_INFO, "mail", conf->smtp ? "sent" : "written to the outbox",
		       cv_log_str("to", mail.recipient), cv_log_str("kind", mail.kind), cv_log_int("n", mail.n));
		goto out;
	}
	if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) {
		/* our own interruption is no failed attempt */
		r = mgr_store_mail_attempt(store, mail.n, mail.attempts, mail.due);
		if (r == 0)
			r = CV_ECLOSED;
		goto out;
	}
	r = not_sent(store, &mail, final, why, now);
out:
	cv_buf_done(&sealed);
	return r;
}

int mgr_mail_flush(struct mgr_store *store, const struct mgr_conf *conf, const struct mgr_keys *keys, int64_t now)
{
	int r;
	while ((r = send_one(store, conf, keys, now, NULL)) == 0)
		;
	return r == CV_ENOTFOUND ? 0 : r;
}

static int64_t wait_seconds(struct mgr_mailer *m)
{
	int64_t due = 0, now = cv_wall_ms() / 1000;
	if (mgr_store_mail_next_due(m->store, &due) < 0)
		return IDLE_S;
	return due <= now ? 1 : due - now < IDLE_S ? due - now : IDLE_S;
}

static void *work(void *arg)
{
	struct mgr_mailer *m = arg;
	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		int r = send_one(m->store, m->conf, &m->keys, cv_wall_ms() / 1000, &m->stop);
		if (r == 0)
			continue;
		if (r != CV_ENOTFOUND && r != CV_ECLOSED)
			cv_log(CV_LOG_ERROR, "mail", "the queue cannot be used", cv_log_err("error", r),
			       cv_log_str("why", mgr_store_error(m->store)));
		struct timespec until;
		int64_t wait = r == CV_ENOTFOUND ? wait_seconds(m) : BACKOFF_FIRST_S;
		pthread_mutex_lock(&m->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += wait;
		while (!m->woken && !m->stop && pthread_cond_timedwait(&m->wake, &m->lock, &until) == 0)
			;
		m->woken = false;
		pthread_mutex_unlock(&m->lock);
	}
	return NULL;
}

int mgr_mailer_start(const struct mgr_conf *conf, const struct mgr_keys *keys, const char *db_path,
		     struct mgr_mailer **ret_mailer)
{
	struct mgr_mailer *m = cv_calloc(1, sizeof *m);
	if (!m)
		return CV_ENOMEM;
	m->conf = conf;
	memcpy(m->keys.queue_key, keys->queue_key, sizeof m->keys.queue_key);
	int r = mgr_store_open(db_path, MGR_STORE_OPEN, NULL, &m->store);
	if (r < 0) {
		cv_free(m);
		return r;
	}
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->wake, NULL);
	if (pthread_create(&m->thread, NULL, work, m) != 0) {
		mgr_store_close(m->store);
		cv_free(m);
		return CV_EIO;
	}
	*ret_mailer = m;
	return 0;
}

void mgr_mailer_wake(struct mgr_mailer *m)
{
	pthread_mutex_lock(&m->lock);
	m->woken = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

void mgr_mailer_stop(struct mgr_mailer *m)
{
	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED);
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	mgr_store_close(m->store);
	pthread_cond_destroy(&m->wake);
	pthread_mutex_destroy(&m->lock);
	cv_free_wiped(m, sizeof *m);
}
