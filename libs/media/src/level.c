/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include <media/unit.h>

uint8_t media_level(const int16_t *samples, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)samples[i] * samples[i];
	if (count == 0 || sum <= 0)
		return MEDIA_LEVEL_SILENT;
	/* 0 dBov is a full-scale square wave: RMS of 32768. */
	double db = -10 * log10(sum / (double)count / (32768.0 * 32768.0));
	if (db < 0)
		return 0;
	return db >= MEDIA_LEVEL_SILENT ? MEDIA_LEVEL_SILENT : (uint8_t)lround(db);
}
