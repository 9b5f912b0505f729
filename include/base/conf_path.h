/*
 * conf_path - whether a path that a setting names can be used; for conf_kind.c.
 */
#ifndef CRONWARD_BASE_CONF_PATH_H
#define CRONWARD_BASE_CONF_PATH_H

/* NULL, or why the file cannot be read. */
const char *conf_file_fault(const char *path);

/*
 * NULL, or why the folder cannot be used.  What is in it is run, so it must be one that nobody
 * writes to but those who are meant to.
 */
const char *conf_folder_fault(const char *path);

#endif
