#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: ffprobe_test.sh RECORD-TEST MEDIA-DIR OUT-DIR
# What other people's players see in a recording: one frame per picture, one size, voice beside it.
set -e
command -v ffprobe >/dev/null || { echo 'ffprobe is not installed'; exit 77; }
mkdir -p "$3"
"$1" "$2" "$3"
for name in meeting full; do
	listed=$(grep -c '"picture"' "$3/$name.frames.jsonl") || true
	shown=$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$3/$name.webm")
	sizes=$(ffprobe -v error -select_streams v -show_entries frame=width,height -of csv=p=0 "$3/$name.webm" | sort -u)
	voice=$(ffprobe -v error -count_frames -select_streams a -show_entries stream=nb_read_frames -of csv=p=0 "$3/$name.webm")
	errors=$(ffmpeg -v error -xerror -i "$3/$name.webm" -f null - 2>&1) || { echo "$name: $errors"; exit 1; }
	echo "$name: $listed pictures listed, $shown shown, sizes $sizes, $voice voice frames $errors"
	[ "$sizes" = '640,360' ] || { echo "$name: sizes differ"; exit 1; }
	[ "$voice" -gt 40 ] || { echo "$name: no voice"; exit 1; }
	[ -z "$errors" ] || { echo "$name: ffmpeg finds errors"; exit 1; }
	# The recording of the full disk was cut back: it shows less than was listed, but not nothing.
	if [ "$name" = meeting ]; then
		[ "$shown" -eq "$listed" ] || { echo 'frames are missing or shown twice'; exit 1; }
	else
		[ "$shown" -gt 25 ] && [ "$shown" -le "$listed" ] || { echo 'wrong number of frames'; exit 1; }
	fi
done
# Pictures every 40 ms that came after later voice: none was moved to the start of a cluster.
seq 0 40 8880 >"$3/late.expected"
ffprobe -v error -select_streams v -show_entries packet=pts -of csv=p=0 "$3/late.webm" >"$3/late.times"
cmp "$3/late.expected" "$3/late.times" || { echo 'pictures have lost their time'; exit 1; }
