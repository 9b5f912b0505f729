/*
 * Small files with secrets in them: what is no file is refused without hanging, what changes is
 * seen, and what is taken is whole.
 */
#include "base/secret_file.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "secret_files.h"

static struct secret_text text;

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(path_next);
	rmdir(path);
	secret_text_wipe(&text);
	return 0;
}

static void
reads(const char *bytes)
{
	assert_null(secret_file_read(path, &text));
	assert_int_equal(text.len, strlen(bytes));
	assert_string_equal(text.bytes, bytes);
}

static void
refused(const char *fault)
{
	const char *found = secret_file_read(path, &text);

	assert_non_null(found);
	assert_string_equal(found, fault);
}

/* As if the file had been written long ago: nobody waits for that here. */
static void
make_old(void)
{
	text.began_ms += 10 * 1000;
}

static void
what_a_file_holds_is_read(void **state)
{
	char *big = malloc(SECRET_FILE_MAX + 2);

	(void)state;
	assert_non_null(big);
	write_file(path, "a secret\r\n", 10);
	reads("a secret\r\n");
	write_file(path, "", 0);
	reads("");
	write_file(path, "a\0b", 3);
	assert_null(secret_file_read(path, &text));
	assert_int_equal(text.len, 3);
	assert_memory_equal(text.bytes, "a\0b", 4);
	memset(big, 'x', SECRET_FILE_MAX + 1);
	big[SECRET_FILE_MAX + 1] = '\0';
	write_file(path, big, SECRET_FILE_MAX);
	reads(big + 1);
	write_file(path, big, SECRET_FILE_MAX + 1);
	refused("is larger than 8192 bytes");
	/* A hole, so it costs nothing. */
	assert_int_equal(truncate(path, (off_t)1 << 40), 0);
	refused("is larger than 8192 bytes");
	free(big);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	refused("No such file or directory");
	assert_int_equal(mkdir(path, 0700), 0);
	refused("is not a regular file");
	rmdir(path);
	/* Neither without a writer nor with one that holds its end open. */
	assert_int_equal(mkfifo(path, 0600), 0);
	refused("is not a regular file");
	unlink(path);
	assert_int_equal(symlink(path, path), 0);
	refused("Too many levels of symbolic links");
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	refused("is not a regular file");
	unlink(path);
	assert_int_equal(symlink(path_next, path), 0);
	refused("No such file or directory");
	unlink(path);
	assert_true(fd >= 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	refused("No such device or address");
	close(fd);
}

static void
files_without_a_size_are_read(void **state)
{
	(void)state;
	assert_null(secret_file_read("/proc/sys/kernel/ostype", &text));
	assert_string_equal(text.bytes, "Linux\n");
	assert_non_null(secret_file_read("/proc/self/mem", &text));
}

static void
a_change_is_seen(void **state)
{
	struct secret_file f;

	(void)state;
	secret_file_init(&f, path);
	assert_string_equal(f.path, path);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_GONE);
	write_file(path, "one", 3);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	reads("one");
	make_old();
	secret_file_keep(&f, &text);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
	/* Another length; the same text in another file; another time alone; no right to read. */
	write_file(path, "four", 4);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	reads("four");
	make_old();
	secret_file_keep(&f, &text);
	write_file(path_next, "four", 4);
	assert_int_equal(rename(path_next, path), 0);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	reads("four");
	make_old();
	secret_file_keep(&f, &text);
	assert_int_equal(
	    utimensat(AT_FDCWD, path, (const struct timespec[2]){ { 1, 2 }, { 3, 4 } }, 0), 0);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	secret_file_keep(&f, NULL);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	unlink(path);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_GONE);
	/* A loop of links cannot be looked at: what was read stays. */
	assert_int_equal(symlink(path, path), 0);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
	secret_file_finish(&f);
	assert_null(f.path);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
}

static void
a_file_that_was_just_written_is_looked_at_again(void **state)
{
	struct secret_file f;

	(void)state;
	secret_file_init(&f, path);
	write_file(path, "one", 3);
	reads("one");
	secret_file_keep(&f, &text);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	/*
	 * Read when it was fresh, and remembered only much later: a write in the same tick as the
	 * first would have left no trace.
	 */
	text.seen.st_ctim.tv_sec -= 60;
	text.began_ms -= 60 * 1000;
	secret_file_keep(&f, &text);
	assert_int_equal(f.seen.st_ino, 0);
	reads("one");
	make_old();
	secret_file_keep(&f, &text);
	assert_int_equal(f.seen.st_ino, text.seen.st_ino);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
	/* A clock that was set back says nothing about how old a file is. */
	text.began_ms -= 3600 * 1000;
	secret_file_keep(&f, &text);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	secret_file_finish(&f);
}

static void
a_file_is_absent_where_it_could_be(void **state)
{
	char below[80];

	(void)state;
	assert_true(secret_file_is_absent(path));
	assert_true(secret_file_is_absent("no-such-file-here"));
	assert_true(secret_file_is_absent("/no-such-file-here"));
	snprintf(below, sizeof(below), "%s/below", path);
	assert_false(secret_file_is_absent(below));
	write_file(path, "x", 1);
	assert_false(secret_file_is_absent(path));
	assert_false(secret_file_is_absent(below));
	/* A link that leads nowhere counts as no file. */
	unlink(path);
	assert_int_equal(symlink(path_next, path), 0);
	assert_true(secret_file_is_absent(path));
}

/* As orchestrators do: the name stays, the link behind it goes elsewhere. */
static void
a_link_that_is_switched_is_a_change(void **state)
{
	char one[64], two[64];
	struct secret_file f;

	(void)state;
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	write_file(one, "first", 5);
	write_file(two, "other", 5);
	secret_file_init(&f, path);
	assert_int_equal(symlink(one, path), 0);
	reads("first");
	make_old();
	secret_file_keep(&f, &text);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
	assert_int_equal(symlink(two, path_next), 0);
	assert_int_equal(rename(path_next, path), 0);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	reads("other");
	make_old();
	secret_file_keep(&f, &text);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_SAME);
	/* Behind the link, too. */
	write_file(two, "other", 5);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_CHANGED);
	unlink(two);
	assert_int_equal(secret_file_change(&f), SECRET_FILE_GONE);
	unlink(one);
	secret_file_finish(&f);
}

/*
 * A byte more every so often.  What was written this very moment is waited
 * for, so only a file that lay still for longer is read while it changes.
 */
static pid_t
start_writer(int every_ms)
{
	pid_t pid = fork();
	int fd;

	if (pid != 0)
		return pid;
	/* A test that fails must not leave it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	while (write(fd, "x", 1) == 1)
		poll(NULL, 0, every_ms);
	_exit(1);
}

static void
end_writer(pid_t pid)
{
	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
}

static void
what_changes_while_it_is_read_is_not_taken(void **state)
{
	enum { CHANGES = 10, PAUSE_MS = 130 };
	size_t len = 0, changes = 0;
	pid_t pid;

	(void)state;
	write_file(path, "x", 1);
	pid = start_writer(PAUSE_MS);
	while (changes < CHANGES) {
		const char *fault = secret_file_read(path, &text);
		struct stat now;

		if (fault) {
			assert_string_equal(fault, "changes all the time while it is read");
			assert_int_equal(text.len, 0);
			continue;
		}
		/* What is taken has the size that it had when it was looked at. */
		assert_int_equal(text.len, text.seen.st_size);
		/* A write that came after the reading shows, so that it is read again. */
		assert_int_equal(stat(path, &now), 0);
		if ((size_t)now.st_size != text.len)
			assert_memory_not_equal(&now, &text.seen, sizeof(now));
		changes += text.len != len;
		len = text.len;
	}
	end_writer(pid);
}

static void
what_changes_all_the_time_is_refused_in_the_end(void **state)
{
	const char *fault = NULL;
	pid_t pid;

	(void)state;
	write_file(path, "x", 1);
	reads("x");
	pid = start_writer(1);
	/* Once at least, however busy the machine is. */
	while (!fault)
		fault = secret_file_read(path, &text);
	end_writer(pid);
	assert_string_equal(fault, "changes all the time while it is read");
	assert_int_equal(text.len, 0);
	assert_string_equal(text.bytes, "");
	assert_null(secret_file_read(path, &text));
	assert_true(text.len > 0);
}

static void
blanks_around_are_taken_off(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "", "" },
		{ " \t\r\n", "" },
		{ "a", "a" },
		{ "\r\n a b\tc \n\n", "a b\tc" },
		{ " \va\f ", "\va\f" },
		{ "a\xa0", "a\xa0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].from);
		const char *at = secret_trim(cases[i].from, &len);

		assert_int_equal(len, strlen(cases[i].to));
		assert_memory_equal(at, cases[i].to, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_a_file_holds_is_read, teardown),
		cmocka_unit_test_teardown(what_is_no_file_is_refused, teardown),
		cmocka_unit_test_teardown(files_without_a_size_are_read, teardown),
		cmocka_unit_test_teardown(a_change_is_seen, teardown),
		cmocka_unit_test_teardown(
		    a_file_that_was_just_written_is_looked_at_again, teardown),
		cmocka_unit_test_teardown(a_link_that_is_switched_is_a_change, teardown),
		cmocka_unit_test_teardown(a_file_is_absent_where_it_could_be, teardown),
		cmocka_unit_test_teardown(what_changes_while_it_is_read_is_not_taken, teardown),
		cmocka_unit_test_teardown(
		    what_changes_all_the_time_is_refused_in_the_end, teardown),
		cmocka_unit_test_teardown(blanks_around_are_taken_off, teardown),
	};

	return cmocka_run_group_tests(tests, files_setup, files_teardown);
}
