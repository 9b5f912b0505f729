#!/usr/bin/env python3
"""Seals secrets as cronward does, and opens them (README.md, "Sealed secrets").  To import, or

    python3 seal.py seal TABLE COLUMN ROW < secret
    python3 seal.py open TABLE COLUMN ROW < sealed

with the keys in ENCRYPTION_KEYS or in the file that ENCRYPTION_KEYS_FILE names.
Needs cryptography (Debian: python3-cryptography).
"""
import pathlib, sys
import base64, os, re
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

def ring(keys):
    return [key.split(":") for key in re.split(r"[\s,]+", keys) if key]

def cipher(key, table, column, row):
    secret = base64.b64decode(key[1] + "=" * (-len(key[1]) % 4))
    if len(secret) != 32:
        raise ValueError(f"the key {key[0]} is not 32 bytes in base64")
    return AESGCM(secret), "\n".join(["cw1", key[0], table, column, row]).encode()

def seal(keys, at, plain):
    if not ring(keys) or not plain:
        raise ValueError("there is no key, or nothing to seal")
    newest, nonce = ring(keys)[0], os.urandom(12)
    aead, place = cipher(newest, **at)
    sealed = nonce + aead.encrypt(nonce, plain.encode(), place)
    return f"cw1.{newest[0]}.{base64.b64encode(sealed).decode()}"

def open(keys, at, sealed):
    version, id, text = (sealed + "..").split(".")[:3]
    key = next((key for key in ring(keys) if key[0] == id), None)
    raw = base64.b64decode(text)
    if version != "cw1" or not key or len(raw) < 29:
        raise ValueError("not sealed, or with a key that is not here")
    aead, place = cipher(key, **at)
    return aead.decrypt(raw[:12], raw[12:], place).decode()


def main(act="", table="", column="", row="", *more):
    acts = {"seal": seal, "open": open}
    if act not in acts or not row or more:
        raise ValueError("usage: python3 seal.py seal|open TABLE COLUMN ROW")
    path = os.environ.get("ENCRYPTION_KEYS_FILE")
    keys = os.environ.get("ENCRYPTION_KEYS") or (pathlib.Path(path).read_text() if path else "")
    text = sys.stdin.buffer.read().decode().rstrip("\r\n")
    print(acts[act](keys, {"table": table, "column": column, "row": row}, text))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as e:
        sys.exit(f"seal.py: {str(e) or 'does not open: wrong key, wrong place or changed since'}")
