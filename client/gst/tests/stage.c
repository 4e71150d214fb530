/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/stat.h>

#include <gst/source.h>

#include "stage.h"

/* GLib keeps one table from its start that LeakSanitizer cannot follow; everything else is looked for. */
CV_PUBLIC const char *__lsan_default_suppressions(void);
CV_PUBLIC const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:call_init\n";
}

const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

char stage_clip[4096], stage_speech[4096];
static char dir[4096];

const char *stage_path(const char *name)
{
	static char path[4][4200];
	static unsigned at;
	at = (at + 1) % 4;
	snprintf(path[at], sizeof(path[at]), "%s/%s", dir, name);
	return path[at];
}

int stage_init(int argc, char **argv)
{
	char text[CLIENT_TEXT_MAX];
	if (argc < 3 || client_media_init(text) < 0)
		return 2;
	snprintf(stage_clip, sizeof(stage_clip), "%s/signer_640x360_30fps.webm", argv[1]);
	snprintf(stage_speech, sizeof(stage_speech), "%s/speech_jfk_48k.flac", argv[1]);
	snprintf(dir, sizeof(dir), "%s", argv[2]);
	mkdir(dir, 0700);
	return 0;
}
