#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An SQL file as C string literals, one per line.
exec sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/' "$1"
