/**
 * Creations that a client sends again with the same `Idempotency-Key`, because it does not know whether the first attempt
 * came to an end (draft-ietf-httpapi-idempotency-key-header).
 *
 * Before a creation runs, the store has the id and the seed that it is given. An attempt after a crash, in this process or
 * another, is given the same, so it finds the object that was made or makes it with the same secrets. When the creation has
 * run, the store has its answer instead.
 */
import { hash } from 'node:crypto';
import type { z } from 'zod';
import { MalformedRequest } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Artifact, ArtifactStore } from '../../storage/contract.ts';
import { defined } from '../../storage/defined.ts';
import type { Vault } from '../../storage/vault.ts';
import type { Answer, Reserved } from '../operations/operation.ts';
import { reserve } from '../operations/reserved.ts';
import { withoutSecrets } from './secret-members.ts';

const KEPT = 'IdempotentRequest';
/** Answers with secrets. */
const SECRETS = 'IdempotentSecrets';
/** One attempt at a time. */
const RUNNING = 'IdempotentAttempt';

const KEPT_MS = 86_400_000;
const SECRETS_KEPT_MS = 600_000;
/** An attempt that was killed holds up the next one so long. Two at once would make the same object. */
const RUNNING_MS = 15_000;
/** Seconds. */
const RETRY_AFTER = 1;

/** A structured string, or the same without quotes. */
const HEADER = /^"([ !#-[\]-~]{1,255})"$|^([!#-+\--~]{1,255})$/;

/** @throws MalformedRequest */
export function readIdempotencyKey(header: string): string | undefined {
  if (header === '') return undefined;
  const [, quoted, bare] = HEADER.exec(header) ?? [];
  const key = quoted ?? bare;
  if (key !== undefined) return key;
  throw new MalformedRequest({
    description: 'Idempotency-Key is not one text of at most 255 printable ASCII characters, in quotes.',
  });
}

export interface Creation {
  /** Who does what, with which key. */
  readonly whose: readonly string[];
  /** All that the request says. */
  readonly content: readonly string[];
  /** What the actor may do. An answer's secrets are told again only to who may still do the same. */
  readonly rights: string;
  /** Of the answer. */
  readonly result: z.ZodType | undefined;
}

export interface IdempotencyDeps {
  readonly artifacts: Pick<ArtifactStore, 'insert' | 'find' | 'upsert' | 'remove'>;
  readonly vault: Pick<Vault, 'seal' | 'open'>;
  /** Milliseconds. */
  readonly now: () => number;
}

interface Kept {
  /** Hash of the content. */
  readonly content: string;
  readonly id: string;
  /** Until the creation has run. Sealed. */
  readonly seed?: string;
  /** When it has: the answer without secrets. Sealed. */
  readonly answer?: string;
}

interface Secrets {
  /** The whole answer. Sealed. */
  readonly answer: string;
  /** Hash. */
  readonly rights: string;
}

/** Stores tell artifacts apart by their keys alone. */
const keyIn = (model: string, whose: Buffer): Buffer =>
  hash('sha256', `${model}\0${whose.toString('hex')}`, 'buffer');
const digest = (texts: readonly string[]): Buffer => hash('sha256', JSON.stringify(texts), 'buffer');
const digestText = (texts: readonly string[]): string => digest(texts).toString('base64url');

/** The answer of an earlier attempt, or of this one. */
export type RunOnce = (creation: Creation, run: (reserved: Reserved) => Promise<Answer>) => Promise<Answer>;

/** @returns throws Refusal 422 for other content under the same key, 409 while another attempt runs */
export function createRunOnce({ artifacts, vault, now }: IdempotencyDeps): RunOnce {
  const nameOf = (key: Buffer, what: string): string => `idempotency/${what}/${key.toString('hex')}`;

  function openAnswer(key: Buffer, sealed: string): Answer {
    return JSON.parse(vault.open(sealed, nameOf(key, 'answer')).toString()) as Answer;
  }

  async function findKept(key: Buffer): Promise<(Artifact & { readonly payload: Kept }) | undefined> {
    return (await artifacts.find(KEPT, keyIn(KEPT, key), now())) as
      | (Artifact & { payload: Kept })
      | undefined;
  }

  async function begin(key: Buffer, content: string) {
    const { id, seed } = reserve();
    const payload = { content, id, seed: vault.seal(seed, nameOf(key, 'seed')) } satisfies Kept;
    const artifact = { payload, expiresAt: now() + KEPT_MS };
    if (await artifacts.insert(KEPT, keyIn(KEPT, key), artifact, now())) return artifact;
    return findKept(key);
  }

  async function findAnswer(key: Buffer, { answer }: Kept, rights: string): Promise<Answer | undefined> {
    if (answer === undefined) return undefined;
    const found = await artifacts.find(SECRETS, keyIn(SECRETS, key), now());
    const secrets = found?.payload as Secrets | undefined;
    return openAnswer(key, secrets?.rights === digestText([rights]) ? secrets.answer : answer);
  }

  async function keep(
    key: Buffer,
    { payload: { content, id }, expiresAt }: Artifact & { readonly payload: Kept },
    { body, version, location }: Answer,
    { result, rights }: Pick<Creation, 'result' | 'rights'>,
  ): Promise<void> {
    const seal = (answer: Answer): string => vault.seal(JSON.stringify(answer), nameOf(key, 'answer'));
    const told = withoutSecrets(result, body);
    const rest = defined({ version, location });
    if (JSON.stringify(told) !== JSON.stringify(body)) {
      const payload = { answer: seal({ body, ...rest }), rights: digestText([rights]) } satisfies Secrets;
      await artifacts.upsert(SECRETS, keyIn(SECRETS, key), { payload, expiresAt: now() + SECRETS_KEPT_MS });
    }
    const payload = { content, id, answer: seal({ body: told, ...rest }) } satisfies Kept;
    await artifacts.upsert(KEPT, keyIn(KEPT, key), { payload, expiresAt });
  }

  /** While no other attempt runs. */
  async function alone<T>(key: Buffer, work: () => Promise<T>): Promise<T> {
    const running = { payload: {}, expiresAt: now() + RUNNING_MS };
    if (!(await artifacts.insert(RUNNING, keyIn(RUNNING, key), running, now()))) {
      throw new Refusal(409, 'A request with this Idempotency-Key runs at this moment. Try again.', {
        error: 'idempotency_key_in_use',
        headers: { 'Retry-After': String(RETRY_AFTER) },
      });
    }
    try {
      return await work();
    } finally {
      // Otherwise it ends by itself.
      await artifacts.remove(RUNNING, keyIn(RUNNING, key)).catch(() => undefined);
    }
  }

  return async ({ whose, content: texts, rights, result }, run) => {
    const key = digest(whose);
    const content = digestText(texts);
    const kept = (await findKept(key)) ?? (await begin(key, content));
    if (kept && kept.payload.content !== content) {
      throw new Refusal(422, 'This Idempotency-Key was sent with another request. Use a new one.', {
        error: 'idempotency_key_reused',
      });
    }
    const before = kept && (await findAnswer(key, kept.payload, rights));
    if (before) return before;
    return alone(key, async () => {
      // The attempt that ran a moment ago may have come to an end.
      const current = await findKept(key);
      const answered = current && (await findAnswer(key, current.payload, rights));
      if (answered) return answered;
      const { id, seed } = current?.payload ?? {};
      if (!current || id === undefined || seed === undefined) throw new Error('what was reserved is gone');
      const answer = await run({ id, seed: vault.open(seed, nameOf(key, 'seed')) });
      await keep(key, current, answer, { result, rights });
      return answer;
    });
  };
}
