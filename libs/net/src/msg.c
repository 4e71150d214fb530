/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <net/msg.h>

int net_msg_new(size_t len, struct net_msg **ret_msg)
{
	struct net_msg *m;

	if (len > SIZE_MAX - sizeof(*m))
		return CV_EINVAL;
	m = cv_malloc(sizeof(*m) + len);
	if (!m)
		return CV_ENOMEM;
	m->refs = 1;
	m->len = len;
	*ret_msg = m;
	return 0;
}

int net_msg_from(uint8_t kind, const void *payload, size_t len, struct net_msg **ret_msg)
{
	struct net_msg *m;
	int err;

	if (len == SIZE_MAX)
		return CV_EINVAL;
	err = net_msg_new(len + 1, &m);
	if (err)
		return err;
	m->data[0] = kind;
	if (len)
		memcpy(m->data + 1, payload, len);
	*ret_msg = m;
	return 0;
}

struct net_msg *net_msg_ref(struct net_msg *m)
{
	__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void net_msg_unref(struct net_msg *m)
{
	if (m && __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) == 0)
		cv_free(m);
}
