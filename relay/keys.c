/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/file.h>
#include <base/log.h>
#include <net/tls.h>

#include "config.h"
#include "keys.h"

int relay_keys_read(struct cv_span root, struct cv_span manifest, uint64_t now, uint64_t *version,
		    struct proto_signers *ret)
{
	struct proto_manifest m = {0};
	struct proto_trust *trust = NULL;
	uint8_t key[PROTO_KEY_LEN];
	int err;

	if ((err = proto_root_check(root.data, root.len, NULL, key)) ||
	    (err = proto_manifest_open(manifest.data, manifest.len, key, &m)))
		return err;
	err = proto_manifest_check(&m, now, *version);
	if (err == CV_EEXPIRED) {
		cv_log(CV_LOG_WARNING, "keys", "the manifest is outside its period of validity",
		       cv_log_uint("version", m.version));
		err = m.version < *version ? CV_EREPLAY : 0;
	}
	if (!err)
		err = proto_trust_new(root, &m, now, &trust);
	if (!err) {
		*ret = *proto_trust_grant_signers(trust);
		*version = m.version;
	}
	proto_trust_free(trust);
	proto_manifest_done(&m);
	return err;
}

/* Root and manifest of the data folder. */
static int read_files(const char *data, struct cv_buf *root, struct cv_buf *manifest)
{
	char *root_path = relay_path(data, RELAY_FILE_ROOT), *manifest_path = relay_path(data, RELAY_FILE_MANIFEST);
	int err = root_path && manifest_path ? 0 : CV_ENOMEM;

	cv_buf_init(root, RELAY_ROOT_MAX);
	cv_buf_init(manifest, RELAY_MANIFEST_MAX);
	if (!err)
		err = cv_file_read(root_path, root);
	if (!err)
		err = cv_file_read(manifest_path, manifest);
	cv_free(root_path);
	cv_free(manifest_path);
	return err;
}

int relay_keys_load(const char *data, uint64_t now, struct cv_buf *ret_root, uint64_t *ret_version,
		    struct proto_signers *ret)
{
	struct cv_buf root, manifest;
	uint64_t version = 0;
	int err = read_files(data, &root, &manifest);

	if (!err)
		err = relay_keys_read((struct cv_span){root.data, root.len},
				      (struct cv_span){manifest.data, manifest.len}, now, &version, ret);
	if (!err) {
		*ret_version = version;
		*ret_root = root;
		cv_buf_init(&root, 0);
	}
	cv_buf_done(&root);
	cv_buf_done(&manifest);
	return err;
}

int relay_keys_pinned(const char *data, const uint8_t id[PROTO_ID_LEN], const char *certificate, bool *ret_pinned)
{
	const struct proto_server *own = NULL;
	struct proto_manifest m = {0};
	uint8_t key[PROTO_KEY_LEN];
	struct cv_buf root, manifest;
	struct net_pin pin;
	int err = read_files(data, &root, &manifest);

	*ret_pinned = false;
	if (!err)
		err = net_pin_of_cert_file(certificate, &pin);
	if (!err)
		err = proto_root_check(root.data, root.len, NULL, key);
	if (!err)
		err = proto_manifest_open(manifest.data, manifest.len, key, &m);
	if (!err)
		own = proto_manifest_server(&m, PROTO_SERVER_RELAY, id);
	for (size_t i = 0; own && i < own->n_pins; i++)
		*ret_pinned = *ret_pinned || !memcmp(own->pins[i], pin.sha256, PROTO_HASH_LEN);
	proto_manifest_done(&m);
	cv_buf_done(&root);
	cv_buf_done(&manifest);
	return err;
}
