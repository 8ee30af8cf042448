/**
 * Passwords: how they are kept, how they are checked, what a new one must be.
 *
 * bcrypt looks at 72 bytes only. Ours are therefore hashed with HMAC-SHA-256 under a server key first (base64: 44
 * characters, no NUL) and the stored form names that key: `hmac-bcrypt$<key id>$<bcrypt string>`. Imported hashes,
 * `bcrypt$<bcrypt string>` or the bare string, are verified as they were made and replaced at the next login.
 *
 * Normalisation: a password of ours is brought to Unicode NFC, once, when it is set and when it is checked, because
 * one keyboard sends `é` as one code point and another as two (NIST 800-63B section 3.1.1.2 asks for it); nothing
 * else is touched, no trimming, no case, and NUL counts. An imported hash gets the bytes as they were received: we do
 * not know what its maker did, and neither does a customer's database, to which passwords go untouched.
 */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MalformedRequest, UnfitPassword } from '../errors/domain.ts';
import { bcrypt } from './bcrypt.ts';
import type { HashQueue, HashShare } from './hash-queue.ts';

/** Bytes of UTF-8. */
const MAX_PASSWORD_BYTES = 1024;
const MIN_COST = 4;
/** A stored hash that is dearer (about 2 s) is not worth a thread. */
const MAX_COST = 15;
const BCRYPT_PATTERN = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** For work whose result is thrown away. */
const IDLE_SALT = 'GrantableIdleWorkSalt.';

/** The server's keys of purpose `passwords`. */
export interface PasswordKeys {
  current(): { readonly id: string; readonly key: Buffer };
  byId(id: string): Buffer | undefined;
}

export interface Verification {
  readonly ok: boolean;
  /** The password is right, but its hash should be made anew: too cheap, under an old key, or imported. */
  readonly rehash: boolean;
}

export type Passwords = ReturnType<typeof createPasswords>;

/** What bcrypt has to compare. */
interface Comparison {
  readonly data: string;
  readonly bcryptString: string;
  readonly cost: number;
  readonly outdated: boolean;
}

/** Passwords that are guessed first, one a line, in lower case; shorter ones than 8 characters are refused for their length. */
const COMMON = new URL('./common-passwords.txt', import.meta.url);
let common: ReadonlySet<string> | undefined;

const WRONG: Verification = { ok: false, rehash: false };

/** UTF-8 has no fewer bytes than UTF-16 has units, so megabytes are not even measured. */
function isTooLong(password: string): boolean {
  return password.length > MAX_PASSWORD_BYTES || Buffer.byteLength(password) > MAX_PASSWORD_BYTES;
}

function prehash(key: Buffer, password: string): string {
  return createHmac('sha256', key).update(password.normalize('NFC')).digest('base64');
}

function parseBcrypt(text: string): { bcryptString: string; cost: number } | undefined {
  const cost = Number(BCRYPT_PATTERN.exec(text)?.[1]);
  // `$2y$` is PHP's name for the same algorithm; the library knows `$2a$` and `$2b$`.
  return cost >= MIN_COST && cost <= MAX_COST
    ? { bcryptString: text.replace(/^\$2y/, '$2b'), cost }
    : undefined;
}

/** @throws MalformedRequest when it is not a bcrypt string that Grantable can verify: `$2a$`, `$2b$`, `$2y$`, cost 4 to 15 */
export function toImportedHash(bcryptString: string): string {
  if (!parseBcrypt(bcryptString))
    throw new MalformedRequest({ description: 'The value is not a bcrypt hash of cost 4 to 15.' });
  return `bcrypt$${bcryptString}`;
}

export function createPasswords({
  queue,
  cost,
  secrets,
}: {
  readonly queue: Pick<HashQueue, 'run'>;
  /** bcrypt's logarithmic cost, 4 to 15. */
  readonly cost: number;
  readonly secrets: PasswordKeys;
}) {
  if (!Number.isInteger(cost) || cost < MIN_COST || cost > MAX_COST) {
    throw new RangeError(`bcrypt cost must be ${MIN_COST} to ${MAX_COST}`);
  }

  function toComparison(password: string, stored: string): Comparison | undefined {
    if (isTooLong(password) || !password.isWellFormed()) return undefined;
    const ours = /^hmac-bcrypt\$([^$]+)\$(.+)$/.exec(stored);
    if (!ours) {
      const imported = parseBcrypt(stored.replace(/^bcrypt\$/, ''));
      return imported && { ...imported, data: password, outdated: true };
    }
    const [, id = '', text = ''] = ours;
    const key = secrets.byId(id);
    const parsed = parseBcrypt(text);
    if (!key || !parsed) return undefined;
    const outdated = parsed.cost < cost || id !== secrets.current().id;
    return { ...parsed, data: prehash(key, password), outdated };
  }

  async function idle(atCost: number): Promise<void> {
    await bcrypt.hash('', `$2b$${String(atCost).padStart(2, '0')}$${IDLE_SALT}`);
  }

  return {
    /**
     * @returns the form to store
     * @throws MalformedRequest beyond 1 KB or when not well-formed; Unavailable when the queue is full
     */
    async hash(password: string, share: HashShare): Promise<string> {
      if (isTooLong(password) || !password.isWellFormed()) {
        throw new UnfitPassword('is too long or not valid Unicode');
      }
      const { id, key } = secrets.current();
      const hashed = await queue.run(share, () => bcrypt.hash(prehash(key, password), cost));
      return `hmac-bcrypt$${id}$${hashed}`;
    },

    /**
     * Takes as long for an unknown user (`stored` undefined), an unusable hash, a password that is too long and a
     * cheaper hash as for a wrong password. Only hashes dearer than the configured cost take longer: configure at
     * least the cost of what is imported.
     *
     * @throws Unavailable when the queue is full
     */
    async verify(password: string, stored: string | undefined, share: HashShare): Promise<Verification> {
      const comparison = stored === undefined ? undefined : toComparison(password, stored);
      return queue.run(share, async () => {
        if (!comparison) {
          await idle(cost);
          return WRONG;
        }
        if (await bcrypt.compare(comparison.data, comparison.bcryptString)) {
          return { ok: true, rehash: comparison.outdated };
        }
        // 2^c + (2^c + 2^(c+1) + … + 2^(cost-1)) = 2^cost: a cheap hash fails no faster than an unknown user.
        for (let spent = comparison.cost; spent < cost; spent += 1) await idle(spent);
        return WRONG;
      });
    },
  };
}

/**
 * What a new password must be: long enough, and not among the first that an attacker would guess. No rules on its
 * composition (NIST 800-63B section 3.1.1.2).
 *
 * @param options.minLength code points
 * @throws UnfitPassword
 */
export function checkNewPassword(
  password: string,
  {
    minLength,
    username,
    email,
  }: { minLength: number; username?: string | undefined; email?: string | undefined },
): void {
  const refuse = (problem: string): never => {
    throw new UnfitPassword(problem);
  };
  if (isTooLong(password)) refuse(`must have at most ${MAX_PASSWORD_BYTES} bytes`);
  if (!password.isWellFormed()) refuse('is not valid Unicode');
  const normalized = password.normalize('NFC');
  if ([...normalized].length < minLength) refuse(`must have at least ${minLength} characters`);
  const folded = normalized.toLowerCase();
  if ([username, email].some((own) => own?.normalize('NFC').toLowerCase() === folded)) {
    refuse('must not be the username or the email address');
  }
  common ??= new Set(readFileSync(COMMON, 'utf8').trimEnd().split('\n'));
  // Compared whole: one that merely contains such a word is accepted.
  if (common.has(folded)) refuse('is too common');
}
