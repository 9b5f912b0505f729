/*
 * conf_path - whether a path that a setting names can be used.
 */
#include "base/conf_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *
conf_file_fault(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *fault = NULL;
	char byte;
	ssize_t n;

	if (fd < 0)
		return strerror(errno);
	n = read(fd, &byte, 1);
	if (n < 0)
		fault = strerror(errno);
	else if (n == 0)
		fault = "is empty";
	close(fd);
	return fault;
}

const char *
conf_folder_fault(const char *path)
{
	struct stat st;

	if (path[0] != '/')
		return "is no absolute path";
	if (strlen(path) >= PATH_MAX)
		return "is too long";
	if (stat(path, &st) != 0)
		return strerror(errno);
	if (!S_ISDIR(st.st_mode))
		return "is no folder";
	if (st.st_mode & S_IWOTH)
		return "may be written to by everybody";
	return access(path, X_OK) == 0 ? NULL : strerror(errno);
}
