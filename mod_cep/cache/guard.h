/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Private to cache/: opening a file that decides who enrolls for what. */
#ifndef CEP_GUARD_H
#define CEP_GUARD_H

#include <sys/stat.h>

/*
 * Open path for reading when nobody but root, this process's user or the owner of the folder may
 * have written it, and it is a regular file, no link. Returns a descriptor and *info, or -1: with
 * *error NULL when there is no such file, else a sentence. *info is all zeros when it is unknown.
 */
int cep_guard_open(const char *path, struct stat *info, const char **error);

#endif
