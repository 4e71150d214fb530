/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of layers: how many to encode for a picture of some size, which one serves a tile, how bits are shared. */
#ifndef MEDIA_LAYERS_H
#define MEDIA_LAYERS_H

#include <media/unit.h>

/* Spatial layers for a picture of this size: each halves the one above, and the smallest keeps at least 80 lines. */
CV_PUBLIC uint8_t media_layers_for_size(unsigned width, unsigned height);

/* Bit rate for all layers of a camera picture of this size and rate (pictures per second), in bit/s. */
CV_PUBLIC uint32_t media_layers_bitrate(unsigned width, unsigned height, unsigned fps);

/*
 * The highest layer worth receiving for a tile of `tile_height` lines, when the full picture has `height` lines and
 * `layers` spatial layers: the smallest layer that is not enlarged by more than 1/4.
 */
CV_PUBLIC uint8_t media_layers_for_tile(unsigned height, uint8_t layers, unsigned tile_height);

/* Whether a receiver that wants spatial layers 0..sid and temporal layers 0..tid takes this unit. */
CV_PUBLIC bool media_layers_wanted(const struct media_unit *u, uint8_t sid, uint8_t tid);

/*
 * Shares of the bit rate in permille: of spatial layer `sid` among `layers`, and of temporal layers 0..tid together.
 * The spatial shares add up to 1000, the temporal share of the last layer is 1000.
 */
CV_PUBLIC unsigned media_layers_spatial_share(uint8_t layers, uint8_t sid);
CV_PUBLIC unsigned media_layers_temporal_share(uint8_t tid);

#endif
