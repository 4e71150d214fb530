#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: source_test.sh SOURCE-TEST MEDIA-DIR OUT-DIR
# Makes pictures whose rows of colour are no multiple of four bytes, unpadded in Matroska, with Y4M as the reference.
set -e
command -v ffmpeg >/dev/null || { echo 'ffmpeg is not installed'; exit 77; }
mkdir -p "$3"
for size in 482x270 484x272 852x480 726x404; do
	ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$size:rate=10:duration=0.5" -pix_fmt yuv420p \
		-c:v rawvideo "$3/raw-${size%x*}.mkv" -c:v wrapped_avframe "$3/raw-${size%x*}.y4m"
done
exec "$1" "$2" "$3"
