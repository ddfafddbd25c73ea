#!/bin/sh
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
# Run every fuzz target on every file of its corpus: what a fuzzer once found stays found.
set -eu
status=0
for target in "$CEP_BUILDDIR"/tests/fuzz/fuzz_*; do
    case $target in *.o | *-libfuzzer) continue ;; esac
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=${target##*/fuzz_}
    "$target" "$CEP_SRCDIR/tests/fuzz/corpus/$name" || status=1
done
exit $status
