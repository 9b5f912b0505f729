/*
 * retry_after - how long a receiver asks to be left alone (RFC 9110, 10.2.3).
 *
 * Seconds, or a date in one of the three forms of RFC 9110, 5.6.7.  Any other text is no wish at
 * all: a receiver's typing error must not park a delivery.
 */
#include "http/http.h"

#include <string.h>
#include <time.h>

enum {
	RETRY_AFTER_VALUE_MAX = 64,
	RETRY_AFTER_YEARS_AHEAD_MAX = 50,
};

static int64_t retry_after_seconds(const char *digits);
static int64_t retry_after_date(const char *text, int64_t now_unix_s);

static const char *const retry_after_dates[] = {
	"%a, %d %b %Y %H:%M:%S GMT", /* IMF-fixdate, the one that is sent today */
	"%a, %d-%b-%y %H:%M:%S GMT", /* RFC 850; strptime takes the long weekday for %a as well */
	"%a %b %d %H:%M:%S %Y",      /* asctime() */
};

int64_t
http_retry_after_s(const char *value, int64_t now_unix_s)
{
	char text[RETRY_AFTER_VALUE_MAX];
	size_t len;

	if (!value)
		return -1;
	value += strspn(value, " \t");
	len = strnlen(value, sizeof(text));
	if (len == sizeof(text))
		return -1;
	memcpy(text, value, len);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	text[len] = '\0';
	if (len == 0)
		return -1;
	if (strspn(text, "0123456789") == len)
		return retry_after_seconds(text);
	return retry_after_date(text, now_unix_s);
}

/* Saturates, so that the caller can go on to count in milliseconds. */
static int64_t
retry_after_seconds(const char *digits)
{
	int64_t s = 0;

	for (; *digits; digits++) {
		s = s * 10 + (*digits - '0');
		if (s > INT32_MAX)
			return INT32_MAX;
	}
	return s;
}

static int64_t
retry_after_date(const char *text, int64_t now_unix_s)
{
	size_t i;

	for (i = 0; i < sizeof(retry_after_dates) / sizeof(*retry_after_dates); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, retry_after_dates[i], &tm);
		int64_t at;

		if (!end || *end != '\0')
			continue;
		at = timegm(&tm);
		/* Two digits of a year (RFC 850) that long ago mean the century to come. */
		if (strstr(retry_after_dates[i], "%y") &&
		    at < now_unix_s - RETRY_AFTER_YEARS_AHEAD_MAX * 31556952LL) {
			tm.tm_year += 100;
			at = timegm(&tm);
		}
		if (at <= now_unix_s)
			return 0;
		return at - now_unix_s < INT32_MAX ? at - now_unix_s : INT32_MAX;
	}
	return -1;
}
