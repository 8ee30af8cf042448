"""Prints vectors as JSON lines, made by passlib and Django. Run by make.sh."""

import base64
import hashlib
import hmac
import json

import django
import passlib
from django.conf import settings
from django.contrib.auth.hashers import get_hashers, make_password
from passlib.hash import argon2, bcrypt, pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, phpass, scrypt, sha256_crypt, sha512_crypt

settings.configure(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
        "django.contrib.auth.hashers.BCryptPasswordHasher",
    ]
)
django.setup()
for hasher in get_hashers():
    for cost in ("iterations", "rounds"):
        if hasattr(hasher, cost):
            setattr(type(hasher), cost, 4 if cost == "rounds" else 1000)

PASSWORDS = [
    "correct-horse-battery",
    "p\u00e4ssw\u00f6rd \U0001f511",
    "x" * 64,
    "0123456789abcdef" * 8,
    "the tail counts" * 7,
]


def emit(made_by, form, password, stored, **rest):
    print(json.dumps({"madeBy": made_by, "format": form, "password": password, "hash": stored, **rest}))


by_passlib = "passlib " + passlib.__version__
by_django = "Django " + django.get_version()
for password in PASSWORDS:
    emit(by_passlib, "argon2", password, argon2.using(type="ID", memory_cost=256, time_cost=2, parallelism=2).hash(password))
    emit(by_passlib, "argon2", password, argon2.using(type="I", memory_cost=256, time_cost=2, parallelism=1).hash(password))
    emit(by_passlib, "argon2", password, argon2.using(type="D", memory_cost=256, time_cost=2, parallelism=1).hash(password))
    emit(by_passlib, "scrypt", password, scrypt.using(rounds=8, block_size=8, parallelism=1).hash(password))
    for form in (pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512):
        emit(by_passlib, "pbkdf2", password, form.using(rounds=1000).hash(password))
    emit(by_passlib, "wordpress", password, phpass.using(rounds=7).hash(password))
    emit(by_passlib, "wordpress", password, phpass.using(rounds=8, ident="H").hash(password))
    for form in (sha256_crypt, sha512_crypt):
        emit(by_passlib, "sha-crypt", password, form.using(rounds=1000).hash(password))
        emit(by_passlib, "sha-crypt", password, form.using(rounds=5000).hash(password))
    for name in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt"):
        # Its bcrypt refuses nothing and counts 72 bytes, as ours does.
        emit(by_django, "django", password, make_password(password, "saltsaltsalt" if name.startswith("pbkdf2") else None, name))
    salt = "a-salt"
    by_hashlib = "Python's hashlib"
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=256, r=8, p=1, dklen=64)
    emit(by_hashlib, "django", password, "scrypt$256$%s$8$1$%s" % (salt, base64.b64encode(digest).decode()))
    for form in ("sha1", "sha256", "sha512", "md5"):
        emit(by_hashlib, form, password, hashlib.new(form, password.encode()).hexdigest())
        emit(by_hashlib, form, password, hashlib.new(form, (salt + password).encode()).hexdigest(), salt=salt)
        emit(by_hashlib, form, password, base64.b64encode(hashlib.new(form, (password + salt).encode()).digest()).decode(), salt=salt, saltOrder="after")
    emit(by_hashlib, "hmac-sha256", password, hmac.new(b"a-nonce", password.encode(), "sha256").hexdigest(), secret="a-nonce")
    emit(by_hashlib, "hmac-sha256", password, base64.b64encode(hmac.new(b"a-nonce", password.encode(), "sha256").digest()).decode(), secret="a-nonce")
for ident in ("2a", "2b"):
    emit(by_passlib, "bcrypt", "correct-horse-battery", bcrypt.using(rounds=4, ident=ident).hash("correct-horse-battery"))
