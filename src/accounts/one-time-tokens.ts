/**
 * Secrets that are mailed or shown to a person and are good once, within a time. The store decides who is first.
 */
import { randomBytes } from 'node:crypto';
import type { ArtifactStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { rowKey } from '../storage/row-key.ts';

export type MailedPurpose = 'activation' | 'password-reset';

/** What a token is good for; one kind's value is never found as another's (JW-10). */
export type OneTimePurpose = MailedPurpose | 'password-link' | 'first-administrator';

export interface Redeemed {
  /** Id of the user it was made for, who may have been disabled or removed since; a realm where there is no user yet. */
  readonly user: string;
  /** Milliseconds. What changed since then, such as a password, may make it too old for its purpose. */
  readonly createdAt: number;
  /** The address that it was mailed to, in the form that is compared. A user with another address did not get it. */
  readonly email?: string;
}

export type OneTimeTokens = ReturnType<typeof createOneTimeTokens>;

/** Tells people, secret scanners and the log what they found. */
const PREFIX = 'gmt_';
const RANDOM_BYTES = 32;
/** The whole value: 256 bits have 43 digits in base64url. */
const PATTERN = new RegExp(`^${PREFIX}[A-Za-z0-9_-]{43}$`);

const modelOf = (purpose: OneTimePurpose): string => `OneTime ${purpose}`;
const keyOf = (purpose: OneTimePurpose, token: string): Buffer => rowKey(`${modelOf(purpose)}\0${token}`, 22);

export function createOneTimeTokens({
  artifacts,
  now,
}: {
  artifacts: Pick<ArtifactStore, 'insert' | 'find' | 'consume'>;
  /** Milliseconds. */
  now: () => number;
}) {
  async function look(purpose: OneTimePurpose, token: string) {
    if (!PATTERN.test(token)) return undefined;
    const [model, key, at] = [modelOf(purpose), keyOf(purpose, token), now()];
    const found = await artifacts.find(model, key, at);
    return found && { model, key, at, found };
  }

  return {
    /**
     * @param user id, or a realm where there is no user yet
     * @param seconds that it is good for
     * @param email that it will be mailed to, in the form that is compared
     */
    async create(purpose: OneTimePurpose, user: string, seconds: number, email?: string): Promise<string> {
      const token = PREFIX + randomBytes(RANDOM_BYTES).toString('base64url');
      const createdAt = now();
      const payload = defined({ user, createdAt, email });
      const artifact = { payload, expiresAt: createdAt + seconds * 1000 };
      const isNew = await artifacts.insert(modelOf(purpose), keyOf(purpose, token), artifact, createdAt);
      if (!isNew) throw new Error('a random value came up twice');
      return token;
    },
    /** Looks at one without using it up, for a page that asks for more before it redeems. 256 bits cannot be guessed. */
    async find(purpose: OneTimePurpose, token: string): Promise<Redeemed | undefined> {
      const found = (await look(purpose, token))?.found;
      return found && found.consumedAt === undefined ? (found.payload as unknown as Redeemed) : undefined;
    },
    /** Uses it up. Exactly one of any number of parallel callers, in any number of processes, is told the user. */
    async redeem(purpose: OneTimePurpose, token: string): Promise<Redeemed | undefined> {
      const looked = await look(purpose, token);
      if (!looked || !(await artifacts.consume(looked.model, looked.key, looked.at))) return undefined;
      return looked.found.payload as unknown as Redeemed;
    },
  };
}
