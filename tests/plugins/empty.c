/*
 * empty - exports nothing.
 */
typedef int empty;
