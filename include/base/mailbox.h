/*
 * mailbox - addresses of mail, as they may stand in a header.
 */
#ifndef CRONWARD_BASE_MAILBOX_H
#define CRONWARD_BASE_MAILBOX_H

#include <stddef.h>

enum {
	MAILBOX_MAX = 512,         /* bytes of a whole mailbox */
	MAILBOX_ADDRESS_MAX = 254, /* RFC 5321 4.5.3.1.3, without its brackets */
};

/*
 * What is wrong with ${text}, for people ("has no @"), or NULL where it is "local@domain" with a
 * dot-atom (RFC 5322 3.4.1) and a host name.  The quoted and commented forms of addresses, which
 * hardly anybody has and vendors refuse, are faults.
 */
const char *mailbox_address_fault(const char *text);

/*
 * Likewise for "local@domain" or "Name <local@domain>", where the name is UTF-8 without control
 * characters, in double quotes where it holds one of ()<>[]:;@\,." (RFC 5322 3.4).
 */
const char *mailbox_fault(const char *text);

#endif
