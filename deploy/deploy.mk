# Running and installing.  Packages come first, and make starts anew behind them: the flags of
# pkg-config were asked for when this file was read.

SYSCONFDIR ?= /etc
PREFIX     ?= /usr/local

.PHONY: packages demo up down install install-files deb

packages:
	@deploy/install-packages build run

demo: packages
	+@$(MAKE) --no-print-directory all $B/demo-receiver
	@CRONWARD=$(abspath $B/cronward) DEMO_RECEIVER=$(abspath $B/demo-receiver) deploy/local demo

up: packages
	+@$(MAKE) --no-print-directory all
	@CRONWARD=$(abspath $B/cronward) deploy/local up

down:
	@deploy/local down

$B/demo-receiver: deploy/demo/receiver.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(WARN) $(CFLAGS) $(LDFLAGS) -o $@ $< -lcrypto

install:
	@deploy/install-packages build
	+@$(MAKE) --no-print-directory all
	+@$(MAKE) --no-print-directory install-files
	@[ -n "$(DESTDIR)" ] || echo "account, secrets: $(PREFIX)/lib/cronward/setup; then: $(PREFIX)/sbin/cronwardctl migrate, systemctl enable --now cronward.target"

# The site is filled for ports 443 and 80, sockets in /run/cronward and a certificate in
# /etc/cronward/tls; neither it nor the units are enabled.  What operators edit is not overwritten.
# PREFIX/lib/cronward/setup then makes the account and the secrets.
install-files:
	deploy/install-files "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" $B/cronward

deb:
	@deploy/install-packages build deb
	+@env -u MAKEFLAGS -u MFLAGS deploy/make-deb $(VERSION)
