/* SPDX-License-Identifier: Apache-2.0 */
#include <media/layers.h>

#define SMALLEST_LINES 80

/* Measured with libvpx: what each layer needs so that the top layer looks best at a given total. */
static const unsigned spatial_share[MEDIA_SPATIAL_MAX][MEDIA_SPATIAL_MAX] = {
	{1000, 0, 0},
	{350, 650, 0},
	{150, 300, 550},
};
static const unsigned temporal_share[MEDIA_TEMPORAL_LAYERS] = {500, 700, 1000};

uint8_t media_layers_for_size(unsigned width, unsigned height)
{
	unsigned lines = width < height ? width : height;
	uint8_t layers = 1;
	while (layers < MEDIA_SPATIAL_MAX && (lines >> layers) >= SMALLEST_LINES)
		layers++;
	return layers;
}

uint32_t media_layers_bitrate(unsigned width, unsigned height, unsigned fps)
{
	/* Anchored at 740 kbit/s for 640x360 at 30 per second; larger pictures need less per pixel. */
	static const struct {
		uint32_t pixels, bps;
	} anchor[] = {{160 * 90, 120000}, {320 * 180, 300000}, {640 * 360, 740000}, {1280 * 720, 2000000}};
	uint64_t pixels = (uint64_t)width * height, bps = anchor[0].bps;
	size_t last = sizeof(anchor) / sizeof(anchor[0]) - 1;
	if (pixels >= anchor[last].pixels)
		bps = anchor[last].bps;
	for (size_t i = 0; i < last; i++) {
		if (pixels < anchor[i].pixels || pixels >= anchor[i + 1].pixels)
			continue;
		bps = anchor[i].bps + (pixels - anchor[i].pixels) * (anchor[i + 1].bps - anchor[i].bps) /
					      (anchor[i + 1].pixels - anchor[i].pixels);
	}
	/* Half the pictures need about two thirds of the bits. */
	if (fps > 30)
		fps = 30;
	return (uint32_t)(bps * (10 + fps) / 40);
}

uint8_t media_layers_for_tile(unsigned height, uint8_t layers, unsigned tile_height)
{
	uint8_t sid = 0;
	while (sid + 1 < layers && (uint64_t)(height >> (layers - 1 - sid)) * 5 < (uint64_t)tile_height * 4)
		sid++;
	return sid;
}

bool media_layers_wanted(const struct media_unit *u, uint8_t sid, uint8_t tid)
{
	return u->sid <= sid && u->tid <= tid;
}

unsigned media_layers_spatial_share(uint8_t layers, uint8_t sid)
{
	if (layers < 1 || layers > MEDIA_SPATIAL_MAX || sid >= layers)
		return 0;
	return spatial_share[layers - 1][sid];
}

unsigned media_layers_temporal_share(uint8_t tid)
{
	return tid < MEDIA_TEMPORAL_LAYERS ? temporal_share[tid] : 1000;
}
