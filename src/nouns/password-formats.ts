/** Names of the formats in which other systems store passwords; `src/datasources/password-formats` reads them. */
export const passwordFormats = [
  'bcrypt',
  'argon2',
  'scrypt',
  'pbkdf2',
  'php',
  'django',
  'wordpress',
  'sha-crypt',
  'sha1',
  'sha256',
  'sha512',
  'hmac-sha256',
  'md5',
  'plain',
] as const;

export type PasswordFormat = (typeof passwordFormats)[number];

/** Formats that do not protect passwords if the table is stolen: a datasource must allow them expressly. */
export const insecureFormats: ReadonlySet<PasswordFormat> = new Set(['md5', 'plain']);
