/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/log.h>
#include <base/secret.h>

#include "config.h"
#include "enrol.h"
#include "server.h"

enum { EXIT_USAGE = 2 };

static const char help[] = "usage: conclave-relay COMMAND [OPTIONS]\n"
			   "\n"
			   "Forwards the encrypted meetings of a Conclave organisation. Holds no key of any meeting.\n"
			   "\n"
			   "commands\n"
			   "  enrol         make this relay known to the manager, write keys and configuration\n"
			   "    --manager URL     the manager's address for relays, https://host:port\n"
			   "    --pin PIN         key pin of that address, as the manager prints it\n"
			   "                      the one-time token from the manager is read from standard input\n"
			   "    --url URL         where clients reach this relay, https://host[:port]\n"
			   "    --listen ADDR     port, address:port or [address]:port (default 443)\n"
			   "    --data DIR        keys and state (default " RELAY_DATA_DEFAULT ")\n"
			   "    --config FILE     configuration to write (default " RELAY_CONFIG_DEFAULT ")\n"
			   "    --tls-cert FILE, --tls-key FILE   PEM, instead of a self-issued certificate\n"
			   "  run           serve until SIGTERM; SIGHUP reads the TLS certificate again\n"
			   "    --config FILE\n"
			   "  check-config  read everything that run reads, and say what is wrong\n"
			   "    --config FILE\n"
			   "  --help, --version\n";

static int print_help(void)
{
	fputs(help, stdout);
	return EXIT_SUCCESS;
}

static int usage(const char *why)
{
	fprintf(stderr, "conclave-relay: %s\nTry 'conclave-relay --help'.\n", why);
	return EXIT_USAGE;
}

static const char *absolute(const char *path, char *buf, size_t size)
{
	char cwd[2048];

	if (!path || *path == '/')
		return path;
	if (!realpath(".", buf))
		return path;
	snprintf(cwd, sizeof(cwd), "%s", buf);
	snprintf(buf, size, "%s/%s", cwd, path);
	return buf;
}

static int read_token(char *buf, int size)
{
	if (!fgets(buf, size, stdin))
		return CV_EINVAL;
	buf[strcspn(buf, "\r\n")] = 0;
	return *buf ? 0 : CV_EINVAL;
}

static int command_enrol(int argc, char **argv)
{
	static const struct option options[] = {
		{"manager", required_argument, NULL, 'm'},  {"pin", required_argument, NULL, 'p'},
		{"url", required_argument, NULL, 'u'},      {"listen", required_argument, NULL, 'l'},
		{"data", required_argument, NULL, 'd'},     {"config", required_argument, NULL, 'c'},
		{"tls-cert", required_argument, NULL, 'C'}, {"tls-key", required_argument, NULL, 'K'},
		{"help", no_argument, NULL, 'h'},           {0}};
	static char data[4096], config[4096], cert[4096], key[4096], token[256];
	struct relay_enrol e = {.listen = "443", .data = RELAY_DATA_DEFAULT, .config = RELAY_CONFIG_DEFAULT};
	char address[64];
	uint16_t port;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'm': e.manager = optarg; break;
		case 'p': e.pin = optarg; break;
		case 'u': e.url = optarg; break;
		case 'l': e.listen = optarg; break;
		case 'd': e.data = absolute(optarg, data, sizeof(data)); break;
		case 'c': e.config = absolute(optarg, config, sizeof(config)); break;
		case 'C': e.tls_cert = absolute(optarg, cert, sizeof(cert)); break;
		case 'K': e.tls_key = absolute(optarg, key, sizeof(key)); break;
		case 'h': return print_help();
		default: return EXIT_USAGE;
		}
	}
	if (optind != argc || !e.manager || !e.pin || !e.url)
		return usage("enrol needs --manager, --pin and --url, and the token on standard input");
	if (!e.tls_cert != !e.tls_key)
		return usage("--tls-cert and --tls-key belong together");
	if (relay_url_check(e.manager, NULL, 0) || relay_url_check(e.url, NULL, 0))
		return usage("URLs are https://host or https://host:port, without a path");
	if (relay_listen_parse(e.listen, address, sizeof(address), &port))
		return usage("--listen is port, address:port or [address]:port, in digits");
	/* Not an option: arguments can be read by every process of the machine. */
	if (read_token(token, sizeof(token)))
		return usage("no token on standard input");
	e.token = token;
	return relay_enrol_run(&e) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* 0; -1: help was printed; else an exit code. */
static int load(int argc, char **argv, struct relay_config *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *path = RELAY_CONFIG_DEFAULT;
	char msg[CV_CONF_MSG_MAX];
	int o, err;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'h') {
			print_help();
			return -1;
		}
		if (o != 'c')
			return EXIT_USAGE;
		path = optarg;
	}
	if (optind != argc)
		return usage("too many arguments");
	err = relay_config_load(path, ret, msg, sizeof(msg));
	if (err)
		fprintf(stderr, "conclave-relay: %s%s\n", msg,
			err == CV_ENOTFOUND ? "; run 'conclave-relay enrol' first, or name the file with --config"
					    : "");
	return err ? EXIT_FAILURE : 0;
}

static int command_run(int argc, char **argv)
{
	struct relay_config config;
	enum cv_log_level level;
	int ret = load(argc, argv, &config);

	if (ret)
		return ret < 0 ? EXIT_SUCCESS : ret;
	if (!cv_log_level_parse(config.log_level, &level))
		cv_log_set_level(level);
	ret = relay_server_run(&config) ? EXIT_FAILURE : EXIT_SUCCESS;
	relay_config_free(&config);
	return ret;
}

static int command_check(int argc, char **argv)
{
	struct relay_config config;
	char msg[CV_CONF_MSG_MAX];
	int ret = load(argc, argv, &config);

	if (ret)
		return ret < 0 ? EXIT_SUCCESS : ret;
	if (relay_server_check(&config, msg, sizeof(msg))) {
		fprintf(stderr, "conclave-relay: %s\n", msg);
		ret = EXIT_FAILURE;
	} else {
		printf("configuration is good: listen %s, url %s, manager %s\n", config.listen, config.url,
		       config.manager_url);
	}
	relay_config_free(&config);
	return ret;
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (!strcmp(command, "--help") || !strcmp(command, "-h") || !strcmp(command, "help")) {
		return print_help();
	}
	if (!strcmp(command, "--version")) {
		puts("conclave-relay " CONCLAVE_VERSION);
		return EXIT_SUCCESS;
	}
	if (cv_process_harden()) {
		fputs("conclave-relay: cannot prepare the process\n", stderr);
		return EXIT_FAILURE;
	}
	/* getopt takes the command for the program's name */
	if (!strcmp(command, "enrol"))
		return command_enrol(argc - 1, argv + 1);
	if (!strcmp(command, "run"))
		return command_run(argc - 1, argv + 1);
	if (!strcmp(command, "check-config"))
		return command_check(argc - 1, argv + 1);
	return usage(*command ? "unknown command" : "a command is needed");
}
