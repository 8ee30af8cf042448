/**
 * The secrets of an application: several at once, each with a name, so that one can take the place of another without an
 * interruption. A secret is shown once and stored as a hash. Each is a node of its own: removing it ends what was made with
 * it alone, and nothing else. A secret that expires ends nothing.
 */
import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { Author } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { retryOnConflict } from '../changes/retry-on-conflict.ts';
import {
  createClientSecret,
  isClientSecret,
  type SecretKeys,
  toStoredSecret,
} from '../directory/client-secrets.ts';
import type { Use } from '../directory/uses.ts';
import {
  AlreadyTaken,
  DomainError,
  type FieldProblem,
  FieldsRefused,
  MalformedRequest,
  NotFound,
} from '../errors/domain.ts';
import { type Application, MOST_SECRETS, secretName, usesSecret } from '../nouns/index.ts';
import { clientSecret } from '../nouns/values.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { SecretUses } from './secret-uses.ts';

/** The application or the secret was removed, or was never there. */
export class UnknownSecret extends NotFound {}

/** The application has as many secrets as it may have. */
export class TooManySecrets extends DomainError {
  override readonly plainStatus = 409;
}

export interface NewSecret {
  /** A line, unique in the application. */
  readonly name: string;
  /** Milliseconds. Absent: it does not expire. */
  readonly expiresAt?: number;
  /** A UUID that was made before. If the application has a secret with this id and this value, it is not added again. */
  readonly id?: string;
  /** The value, if it was made before; otherwise it is made here. */
  readonly secret?: string;
}

/** A secret, to be shown this once. */
export interface ShownSecret {
  readonly application: Application;
  readonly id: string;
  readonly secret: string;
}

export type ApplicationSecrets = ReturnType<typeof createApplicationSecrets>;

export interface ApplicationSecretsDeps {
  readonly store: Pick<DirectoryStore, 'applications'>;
  readonly changes: Pick<Changes, 'applications'>;
  readonly clientSecrets: SecretKeys;
  readonly secretUses: Pick<SecretUses, 'find'>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** @throws FieldsRefused */
function requireSound({ name, expiresAt, secret }: NewSecret, now: number): void {
  const errors = [
    ...toProblems('name', secretName.safeParse(name)),
    ...(secret === undefined ? [] : toProblems('secret', clientSecret.safeParse(secret))),
  ];
  if (expiresAt !== undefined && !(expiresAt > now)) {
    errors.push({ path: '/expiresAt', detail: 'expiresAt is in the past: name a later time, or none' });
  }
  if (errors.length > 0) throw new FieldsRefused(errors);
}

function toProblems(key: string, { error }: z.ZodSafeParseResult<string>): FieldProblem[] {
  return (error?.issues ?? []).map(({ message }) => ({ path: `/${key}`, detail: `${key} ${message}` }));
}

/** @throws MalformedRequest, AlreadyTaken, TooManySecrets */
function requireRoom({ name, authMethod, secrets }: Application, wanted: NewSecret): void {
  if (!usesSecret(authMethod)) {
    throw new MalformedRequest({
      description: `The application ${name} has the authMethod ${authMethod}, which uses no secret.`,
    });
  }
  if (secrets.some((each) => each.name === wanted.name || each.id === wanted.id)) {
    throw new AlreadyTaken({
      description: 'The application has a secret with this name. Choose another name, or remove that secret.',
    });
  }
  if (secrets.length >= MOST_SECRETS) {
    throw new TooManySecrets({
      description: `The application has ${MOST_SECRETS} secrets, and it may not have more. Remove one that it does not use.`,
    });
  }
}

export function createApplicationSecrets(deps: ApplicationSecretsDeps) {
  const { store, changes, clientSecrets, secretUses, now } = deps;

  async function current({ id }: Pick<Application, 'id'>): Promise<Application> {
    const application = await store.applications.get(id);
    if (!application) throw new UnknownSecret({ description: 'The application was removed.' });
    return application;
  }

  return {
    /**
     * All its other secrets stay good, with what was made with them.
     * @throws FieldsRefused for what a secret cannot be; MalformedRequest for an application that does not use secrets;
     *   AlreadyTaken for the name; TooManySecrets; UnknownSecret if the application is gone
     */
    async addSecret(to: Pick<Application, 'id'>, wanted: NewSecret, author: Author): Promise<ShownSecret> {
      const { id = randomUUID(), secret = createClientSecret(), name, expiresAt } = wanted;
      const added = await retryOnConflict(async () => {
        const application = await current(to);
        const earlier = application.secrets.find((each) => each.id === id);
        if (earlier && isClientSecret(clientSecrets, secret, earlier.hash)) return application;
        const createdAt = now();
        requireSound(wanted, createdAt);
        requireRoom(application, wanted);
        const facts = { id, name, createdAt, ...defined({ expiresAt }) };
        const stored = toStoredSecret(clientSecrets, secret, facts);
        const secrets = [...application.secrets, stored];
        return changes.applications.replace({ ...application, secrets }, author);
      });
      return { application: added, id, secret };
    },

    /**
     * Ends it at once, with what was made with it alone.
     * @param id of the secret
     * @throws UnknownSecret
     */
    removeSecret: (from: Pick<Application, 'id'>, id: string, author: Author): Promise<Application> =>
      retryOnConflict(async () => {
        const application = await current(from);
        const secrets = application.secrets.filter((each) => each.id !== id);
        if (secrets.length === application.secrets.length) {
          throw new UnknownSecret({ description: 'The application has no secret with this id.' });
        }
        return changes.applications.replace({ ...application, secrets }, author);
      }),

    /** The latest use, from any process, at most a minute late. @param id of the secret */
    findUse: (id: string): Promise<Use | undefined> => secretUses.find(id),
  };
}
