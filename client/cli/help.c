/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const char general[] =
	"conclave-cli: end-to-end-encrypted meetings in a terminal\n"
	"\n"
	"usage: conclave-cli [--profile DIR] [--json] COMMAND\n"
	"\n"
	"  validate LINK --first-name F --last-name L   make your account ready, once\n"
	"  login --manager URL EMAIL                    sign in, for 12 hours unless your server says otherwise\n"
	"  logout | whoami\n"
	"  meeting create | list | show | invite | uninvite | cancel\n"
	"  join ID                                      take part in a meeting\n"
	"  user list | invite | send-link | set-role | disable | enable    for administrators\n"
	"\n"
	"  --profile DIR   where this installation's key and session are kept\n"
	"                  (default: $XDG_DATA_HOME/conclave or ~/.local/share/conclave)\n"
	"  --json          events as one JSON object per line on standard output\n"
	"  --version       version\n"
	"\n"
	"'conclave-cli COMMAND --help' tells more of each.\n"
	"Exit codes: 0 done, 2 usage or a local fault (files, devices), 3 refused, 4 unreachable,\n"
	"5 security failure.\n";

static const struct {
	const char *command, *text;
} texts[] = {
	{"validate",
	 "usage: conclave-cli validate LINK --first-name F --last-name L [--password-stdin]\n"
	 "\n"
	 "LINK is the account-validation link from your invitation, in quotes. You are asked for a password;\n"
	 "--password-stdin takes it from the first line of standard input. The manager never learns it.\n"
	 "A link works once and for 7 days; an administrator can send another.\n"},
	{"login", "usage: conclave-cli login --manager URL [--org FINGERPRINT] EMAIL [--password-stdin]\n"
		  "\n"
		  "--manager     address of the manager; not needed again once this profile knows it\n"
		  "--org         fingerprint of the organisation (64 hex digits, in your invitation). Without it, and\n"
		  "              unless you validated your account here, you are asked to compare it once.\n"
		  "\n"
		  "You stay signed in until 'logout', or until the server ends it: after 12 hours, unless its\n"
		  "administrator has set another session_life.\n"},
	{"logout",
	 "usage: conclave-cli logout\n\nEnds the session here and at the manager. The device key stays. A meeting\n"
	 "that you are in goes on until you leave it.\n"},
	{"whoami", "usage: conclave-cli whoami\n"},
	{"meeting",
	 "usage: conclave-cli meeting create --title T [--start ISO8601] [--duration MIN] --invite EMAIL...\n"
	 "       conclave-cli meeting list\n"
	 "       conclave-cli meeting show ID\n"
	 "       conclave-cli meeting invite ID EMAIL...\n"
	 "       conclave-cli meeting uninvite ID EMAIL...\n"
	 "       conclave-cli meeting cancel ID\n"},
	{"meeting create",
	 "usage: conclave-cli meeting create --title T [--start ISO8601] [--duration MIN] --invite EMAIL...\n"
	 "\n"
	 "--start 2026-03-01T14:30 (local time), 2026-03-01T14:30Z or with +01:00; without it: any time.\n"
	 "Everybody invited gets a mail. You must be organiser or administrator.\n"},
	{"meeting list", "usage: conclave-cli meeting list\n\nThe meetings that you organise or are invited to; an "
			 "administrator sees all.\n"},
	{"meeting show", "usage: conclave-cli meeting show ID\n"},
	{"meeting invite", "usage: conclave-cli meeting invite ID EMAIL...\n"},
	{"meeting uninvite", "usage: conclave-cli meeting uninvite ID EMAIL...\n"
			     "\n"
			     "Whoever is in the meeting just now is removed from it.\n"},
	{"meeting cancel", "usage: conclave-cli meeting cancel ID\n"
			   "\n"
			   "Everybody invited is told by mail; whoever is in the meeting just now is out.\n"},
	{"user", "usage: conclave-cli user list\n"
		 "       conclave-cli user invite EMAIL [--role user|organiser|administrator]\n"
		 "       conclave-cli user send-link EMAIL\n"
		 "       conclave-cli user set-role EMAIL user|organiser|administrator\n"
		 "       conclave-cli user disable EMAIL\n"
		 "       conclave-cli user enable EMAIL\n"},
	{"user list", "usage: conclave-cli user list\n"},
	{"user invite", "usage: conclave-cli user invite EMAIL [--role user|organiser|administrator]\n"},
	{"user send-link",
	 "usage: conclave-cli user send-link EMAIL\n"
	 "\n"
	 "Mails a new validation link, for a lost invitation or password. Whoever validates with it chooses\n"
	 "a new password, which ends the account's sessions.\n"},
	{"user set-role", "usage: conclave-cli user set-role EMAIL user|organiser|administrator\n"},
	{"user disable", "usage: conclave-cli user disable EMAIL\n"
			 "\n"
			 "Ends all its sessions and removes it from running meetings.\n"},
	{"user enable", "usage: conclave-cli user enable EMAIL\n"
			"\n"
			"A disabled account may sign in again, with the password that it had.\n"},
	{"join", "usage: conclave-cli join ID [options]\n"
		 "\n"
		 "  --audio FILE|device|none     microphone (default: none)\n"
		 "  --camera FILE|device|none    camera (default: none); any file that GStreamer reads\n"
		 "  --loop                       files begin again at their end\n"
		 "  --record DIR                 one WebM file per sender of what was received; earlier ones are kept\n"
		 "  --send-file PATH             offer a file to everybody; may be given several times\n"
		 "  --accept-files DIR           accept offered files into DIR\n"
		 "  --duration SECONDS           leave after so long\n"
		 "  --expect N                   start that clock when N participants are present\n"
		 "\n"
		 "Ctrl-C leaves. On a terminal, words can be typed:\n"
		 "  compare        asks everybody to compare the security code of now; it stays on every screen\n"
		 "  same EPOCH     everybody reads the same code: their devices are verified, here and from now on\n"
		 "  differs EPOCH  somebody reads another one: a warning, nobody is verified\n"
		 "  cancel         the comparison is off\n"
		 "  who | leave    who is here, and who is verified; leave\n"
		 "Compare by voice or face with people you know. \"not verified\" and \"another device or name\" stay\n"
		 "until the next comparison.\n"
		 "With --json, commands are taken as JSON lines on standard input:\n"
		 "  {\"command\": \"leave\"}  {\"command\": \"mute\", \"stream\": \"audio\"}  {\"command\": "
		 "\"unmute\", \"stream\": \"video\"}\n"
		 "  {\"command\": \"set-rights\", \"user\": EMAIL, \"rights\": [\"microphone\", \"camera\", \"share\", "
		 "\"moderation\"]}\n"
		 "  {\"command\": \"remove\", \"user\": EMAIL}  {\"command\": \"send-file\", \"path\": PATH}\n"
		 "  {\"command\": \"lock\"}  {\"command\": \"unlock\"}  (moderators: nobody new is let in)\n"
		 "  {\"command\": \"end\"}  (moderators: the meeting is over for everybody)\n"
		 "  {\"command\": \"accept\", \"transfer\": ID, \"directory\": DIR}  {\"command\": \"decline\", "
		 "\"transfer\": ID}\n"
		 "  {\"command\": \"code-compare\"}  {\"command\": \"code-verified\", \"epoch\": N}  {\"command\": "
		 "\"code-differs\", \"epoch\": N}\n"
		 "  {\"command\": \"code-cancel\"}  {\"command\": \"participants\"}\n"},
};

void cli_help(const char *command)
{
	for (size_t i = 0; command && i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(texts[i].command, command) == 0) {
			fputs(texts[i].text, stdout);
			return;
		}
	}
	fputs(general, stdout);
}
