#!/bin/sh
# Writes vectors.jsonl with the tools of the systems that wrote such passwords. On Debian:
# apt-get install php-cli python3-passlib python3-django python3-argon2 python3-bcrypt whois
set -eu
cd "$(dirname "$0")"
{
  php make.php
  /usr/bin/python3 make.py
  for password in correct-horse-battery 'a much longer sentence that nobody would ever think of as a password at all'; do
    for method in sha-256 sha-512; do
      hash=$(mkpasswd -m "$method" -R 1000 "$password")
      printf '{"madeBy": "mkpasswd of whois", "format": "sha-crypt", "password": "%s", "hash": "%s"}\n' "$password" "$hash"
    done
    hash=$(mkpasswd -m bcrypt -R 4 "$password")
    printf '{"madeBy": "mkpasswd of whois", "format": "bcrypt", "password": "%s", "hash": "%s"}\n' "$password" "$hash"
  done
} > vectors.jsonl
