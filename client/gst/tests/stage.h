/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share: the clips of tests/media, and a folder of their own. */
#ifndef GST_TESTS_STAGE_H
#define GST_TESTS_STAGE_H

extern char stage_clip[4096], stage_speech[4096];

/* Takes MEDIA-DIR and OUT-DIR from the command line. Not 0: the program ends with that. */
int stage_init(int argc, char **argv);
/* A path in OUT-DIR; good for three more calls. */
const char *stage_path(const char *name);

#endif
