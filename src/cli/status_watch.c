/*
 * status_watch - the status again and again, until somebody ends it.
 *
 * On a terminal it has the alternate screen to itself and is drawn over, in one write, so that
 * nothing flickers; the terminal gets back what it had, whichever key ends this, or signal but
 * SIGQUIT and SIGKILL.
 */
#include "base/clock.h"
#include "base/stop.h"
#include "cli/print.h"
#include "cli/status.h"
#include "db/db.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	WATCH_LINES_DEFAULT = 24,
};
/* The alternate screen, without a cursor and without wrapping of long lines; and back. */
#define WATCH_ENTER "\033[?1049h\033[?25l\033[?7l"
#define WATCH_LEAVE "\033[?7h\033[?25h\033[?1049l"
#define WATCH_HOME "\033[H"
#define WATCH_CLEAR_LINE "\033[K\r\n"
#define WATCH_CLEAR_REST "\033[J"

struct watch {
	int64_t every_ms;
	bool json;
	bool draws; /* standard output is a terminal */
	bool has_keys;
	struct termios before;
};

static void watch_enter(struct watch *);
static void watch_leave(const struct watch *);
static char *watch_text(struct cli_session *, const struct watch *);
static void watch_draw(const char *text);
static size_t watch_lines(void);
static bool watch_wait(const struct watch *);
static bool watch_quit_key(void);
static void watch_json(struct cli_session *);

int
status_watch(struct cli_session *s, int64_t every_ms, bool json)
{
	struct watch w = { .every_ms = every_ms, .json = json };

	stop_setup();
	watch_enter(&w);
	do {
		char *text = json ? NULL : watch_text(s, &w);

		if (json)
			watch_json(s);
		else if (w.draws)
			watch_draw(text);
		else
			printf("%s\n", text);
		fflush(stdout);
		free(text);
	} while (!ferror(stdout) && watch_wait(&w));
	watch_leave(&w);
	return CLI_DONE;
}

static void
watch_enter(struct watch *w)
{
	struct termios keys;

	w->draws = !w->json && isatty(STDOUT_FILENO);
	w->has_keys = w->draws && tcgetattr(STDIN_FILENO, &w->before) == 0;
	if (w->has_keys) {
		keys = w->before;
		/* Keys come at once and unseen.  Ctrl-C stays a signal; Ctrl-Z and Ctrl-\ would
		 * leave the shell on our screen. */
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 0;
		keys.c_cc[VTIME] = 0;
		keys.c_cc[VSUSP] = _POSIX_VDISABLE;
		keys.c_cc[VQUIT] = _POSIX_VDISABLE;
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	if (w->draws)
		fputs(WATCH_ENTER, stdout);
}

static void
watch_leave(const struct watch *w)
{
	if (w->draws) {
		fputs(WATCH_LEAVE, stdout);
		fflush(stdout);
	}
	if (w->has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &w->before);
}

/* What is to be shown; the caller frees it. */
static char *
watch_text(struct cli_session *s, const struct watch *w)
{
	struct err e = { .code = ERR_OK };
	struct status status;
	char *text = NULL, at[CLOCK_TEXT_MAX];
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		abort();
	if (w->draws)
		fprintf(
		    to, "cronward status, every %lld s; q ends\n\n", (long long)w->every_ms / 1000);
	if (status_read(s, &status, &e) == 0)
		status_print(&status, to);
	else
		fprintf(to, "%s (this host's clock)\n\n%s; trying again\n",
		    clock_text(clock_unix_ms(), at), e.message);
	status_finish(&status);
	fclose(to);
	return text;
}

/* Line over line, each cleared to its end; what does not fit below is left out. */
static void
watch_draw(const char *text)
{
	size_t left = watch_lines();

	fputs(WATCH_HOME, stdout);
	for (; *text && left > 1; left--) {
		size_t len = strcspn(text, "\n");

		fwrite(text, 1, len, stdout);
		fputs(WATCH_CLEAR_LINE, stdout);
		text += text[len] ? len + 1 : len;
	}
	fputs(WATCH_CLEAR_REST, stdout);
}

static size_t
watch_lines(void)
{
	struct winsize size = { .ws_row = 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
		return WATCH_LINES_DEFAULT;
	return size.ws_row;
}

/* Until it is time again: true; false when somebody ends it. */
static bool
watch_wait(const struct watch *w)
{
	int64_t until_ms = clock_mono_ms() + w->every_ms, left_ms;

	while (!stop_requested() && (left_ms = until_ms - clock_mono_ms()) > 0) {
		struct pollfd keys = { .fd = w->has_keys ? STDIN_FILENO : -1, .events = POLLIN };
		struct timespec left = { left_ms / 1000, left_ms % 1000 * 1000000 };
		int ready = ppoll(&keys, 1, &left, stop_wait_mask());

		if (ready > 0 && watch_quit_key())
			return false;
	}
	return !stop_requested();
}

/* Whether somebody pressed q, or the terminal is gone. */
static bool
watch_quit_key(void)
{
	char keys[16];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0)
		return n == 0 || errno != EINTR;
	return memchr(keys, 'q', (size_t)n) || memchr(keys, 'Q', (size_t)n);
}

/* One document on a line. */
static void
watch_json(struct cli_session *s)
{
	struct err e = { .code = ERR_OK };
	struct status status;
	char at[CLOCK_TEXT_MAX];
	json_auto_t *body = NULL;

	if (status_read(s, &status, &e) == 0)
		body = status_json(&status);
	else
		body = json_pack(
		    "{s:s, s:s}", "at", clock_text(clock_unix_ms(), at), "error", e.message);
	print_json(body);
	status_finish(&status);
}
