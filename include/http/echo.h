/*
 * echo - what a receiver says, without what it should not have repeated.
 *
 * Some receivers answer an error with the request that they got, or with their own settings.
 */
#ifndef CRONWARD_HTTP_ECHO_H
#define CRONWARD_HTTP_ECHO_H

/*
 * Overwrites by '*' what ${text} holds of ${known}: all of it, and each run of eight or more
 * letters and digits, so that it does not matter how what stands between them is escaped.
 */
void echo_hide(char *text, const char *known);

/* Overwrites the values of signatures ("v1,...") and secrets ("whsec_...") of Standard Webhooks. */
void echo_hide_signatures(char *text);

#endif
