/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the profile and reaching the manager, for every command that needs one or both. */
#include "cli.h"

bool cli_open(struct cli *cli, bool signed_in)
{
	if (client_profile_open(cli->profile_dir, &cli->profile, &cli->err) != 0)
		return false;
	if (signed_in && !cli->profile->token[0]) {
		client_fail(&cli->err, CV_EDENIED, CLIENT_REFUSED,
			    "nobody is signed in here: run 'conclave-cli login' first");
		return false;
	}
	return true;
}

bool cli_connect(struct cli *cli)
{
	uint64_t version;

	if (!cli_open(cli, true) || client_trust_load(cli->profile, &cli->clock, &cli->trust, &cli->err) != 0 ||
	    client_api_new(cli->profile, &cli->trust, &cli->clock, NULL, &cli->api, &cli->err) != 0)
		return false;
	version = cli->profile->manifest_version;
	return client_api_refresh_manifest(cli->api, cli->profile, &cli->err) == 0 &&
	       (cli->profile->manifest_version == version || client_profile_save(cli->profile, &cli->err) == 0);
}

void cli_close(struct cli *cli)
{
	client_api_free(cli->api);
	client_trust_done(&cli->trust);
	client_profile_free(cli->profile);
}
