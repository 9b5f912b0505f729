/*
 * auto - free what a library handed out when its scope ends.
 *
 *	AUTO(PQclear) PGresult *rows = db_query(...);
 *
 * Define and assign in one statement; never in a function that has a goto.
 */
#ifndef CRONWARD_BASE_AUTO_H
#define CRONWARD_BASE_AUTO_H

#define AUTO(fn) __attribute__((cleanup(fn##_auto)))

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in them. */

/* Makes AUTO(fn) known for variables of ${type}, a pointer type. */
#define AUTO_DEFINE(type, fn)                                                                      \
	static inline void fn##_auto(type *p)                                                      \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}                                                                                          \
	struct auto_swallows_the_semicolon

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
