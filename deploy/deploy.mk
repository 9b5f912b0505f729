# Running and installing.  Packages come first, and make starts anew behind them: the flags of
# pkg-config were asked for when this file was read.

SYSCONFDIR ?= /etc
PREFIX     ?= /usr/local

.PHONY: packages demo up down install install-files

packages:
	deploy/install-packages build run

demo: packages
	+$(MAKE) all $B/demo-receiver
	CRONWARD=$(CURDIR)/$B/cronward DEMO_RECEIVER=$(CURDIR)/$B/demo-receiver deploy/local demo

up: packages
	+$(MAKE) all
	CRONWARD=$(CURDIR)/$B/cronward deploy/local up

down:
	deploy/local down

$B/demo-receiver: deploy/demo/receiver.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(WARN) $(CFLAGS) $(LDFLAGS) -o $@ $< -lcrypto

install:
	deploy/install-packages build
	+$(MAKE) all
	+$(MAKE) install-files

# The site is filled for ports 443 and 80, sockets in /run/cronward and a certificate in
# /etc/cronward/tls; it is not enabled.  What operators edit is not overwritten.
install-files:
	deploy/install-files "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" $B/cronward
