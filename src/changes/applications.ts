/**
 * Applications that people register and change through an API, instead of the operator in a file: what such a one may do
 * is bounded by who registered it and by the application that it was registered through.
 */
import { randomUUID } from 'node:crypto';
import {
  createDerivedSecret,
  findDerivedSecret,
  type SecretKeys,
  withSecret,
} from '../directory/client-secrets.ts';
import { eachListed } from '../directory/collections.ts';
import { mayUseGrant } from '../directory/registered-applications.ts';
import { MalformedRequest, RegistrationClosed } from '../errors/domain.ts';
import type { Application, Grant, User } from '../nouns/index.ts';
import { findRedirectUriProblem, hasOwnScheme } from '../nouns/redirect-uris.ts';
import { isShownName, MAX_SHOWN_NAME } from '../nouns/shown-name.ts';
import type { AuditLog, DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { type Author, inAudit } from './author.ts';
import type { Changes } from './changes.ts';
import { removeCurrent, retryOnConflict } from './retry-on-conflict.ts';

/** What a person says about an application of theirs. */
export interface ApplicationFacts {
  readonly name: string;
  readonly homepage?: string;
  /** Of those of the application that it is registered through, and of the API that it is registered with. */
  readonly scopes: readonly string[];
}

export type Applications = ReturnType<typeof createApplications>;

interface ApplicationsDeps {
  readonly store: Pick<DirectoryStore, 'applications'>;
  readonly changes: Pick<Changes, 'applications'>;
  readonly clientSecrets: SecretKeys;
  readonly audit: Pick<AuditLog, 'append'>;
  /** Takes one change from a person, by their id. @throws TooManyAttempts */
  readonly limit: (person: string) => Promise<void>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Of one person. */
const MOST_OWN = 50;

/** For applications that people register. */
const OWN_GRANTS: readonly Grant[] = [
  'client_credentials',
  'password',
  'refresh_token',
  'authorization_code',
];

/** @throws MalformedRequest */
function requireSound(facts: ApplicationFacts): ApplicationFacts {
  const name = facts.name.trim();
  if (!isShownName(name)) {
    throw new MalformedRequest({
      description: `The name must be one line of at most ${MAX_SHOWN_NAME} characters.`,
    });
  }
  const problem = facts.homepage === undefined ? undefined : findRedirectUriProblem(facts.homepage);
  if (problem !== undefined) throw new MalformedRequest({ description: `The url ${problem}.` });
  return { ...facts, name };
}

/** The stored form of what a person says. */
function toFields({ name, homepage, scopes }: ApplicationFacts, id: string) {
  return defined({
    // Unique in the organization, where two people may choose one name.
    name: `${name} (${id})`,
    scopes: [...scopes],
    redirectUris: homepage === undefined ? [] : [homepage],
    native: homepage !== undefined && hasOwnScheme(homepage),
    homepage,
  });
}

const tooMany = (): RegistrationClosed =>
  new RegistrationClosed({ description: `You may have at most ${MOST_OWN} applications.` });

export function createApplications(deps: ApplicationsDeps) {
  const { store, changes, clientSecrets, audit, limit, now } = deps;

  /** Each change writes to the audit log. Without an owner only administrators change it, and they have no limit. */
  async function limitOwner({ owner }: Application): Promise<void> {
    if (owner !== undefined) await limit(owner);
  }

  /** Those that a person registered, in that order. */
  async function findOwn(owner: User): Promise<Application[]> {
    const own: Application[] = [];
    for await (const application of eachListed(store.applications, 'owner', owner.id)) own.push(application);
    return own;
  }

  /** Those who register at once have all been let in: the last of them take back what is too many. */
  async function requireNotTooMany(application: Application, owner: User, author: Author): Promise<void> {
    const own = (await findOwn(owner)).sort((one, other) => one.number - other.number);
    if (own.findIndex(({ id }) => id === application.id) < MOST_OWN) return;
    await changes.applications.remove(application, author);
    throw tooMany();
  }

  /** One that is removed is disabled first, and then looked at for what people registered: one of both sees the other. */
  async function requireStillOpen(made: Application, through: Application, author: Author): Promise<void> {
    if (!through.enabled || (await store.applications.get(through.id))?.enabled) return;
    await removeCurrent(store.applications, changes.applications, made, author);
    throw new RegistrationClosed({ description: 'The application was disabled or removed.' });
  }

  /** As it is in the store, not as a view of the directory remembers it. */
  async function current({ id }: Application): Promise<Application> {
    const stored = await store.applications.get(id);
    if (!stored) throw new MalformedRequest({ description: 'The application was removed.' });
    return stored;
  }

  return {
    /** @returns with its secret @throws RegistrationClosed when the person has too many, or `through` ends; MalformedRequest */
    async register(facts: ApplicationFacts, owner: User, through: Application, author: Author) {
      const sound = requireSound(facts);
      await limit(owner.id);
      if ((await findOwn(owner)).length >= MOST_OWN) throw tooMany();
      const id = randomUUID();
      const { secret, stored } = createDerivedSecret(clientSecrets, id, now());
      const application = await changes.applications.create(
        {
          id,
          organization: through.organization,
          realm: through.realm,
          clientId: randomUUID(),
          authMethod: 'client_secret_basic',
          secrets: [stored],
          grants: OWN_GRANTS.filter((grant) => mayUseGrant(grant, through)),
          ...toFields(sound, id),
          ...defined({ resource: through.resource }),
          ceilings: through.ceilings,
          owner: owner.id,
          registeredThrough: through.id,
        },
        author,
      );
      await requireNotTooMany(application, owner, author);
      await requireStillOpen(application, through, author);
      return { application, secret };
    },

    /** @throws MalformedRequest */
    async update(application: Application, facts: ApplicationFacts, author: Author): Promise<Application> {
      const sound = requireSound(facts);
      await limitOwner(application);
      return retryOnConflict(async () => {
        const { homepage: _, ...stored } = await current(application);
        return changes.applications.replace({ ...stored, ...toFields(sound, stored.id) }, author);
      });
    },

    async remove(application: Application, author: Author): Promise<void> {
      await limitOwner(application);
      await retryOnConflict(async () => changes.applications.remove(await current(application), author));
    },

    findOwn,

    /**
     * Gives it another default secret, which ends the one before with what was made with it alone; all else stays.
     * @throws VersionConflict if it was changed since it was read: of two who do so at once only one has the secret
     */
    async renewSecret(application: Application, author: Author): Promise<string> {
      await limitOwner(application);
      const { version } = application;
      const { secret, stored } = createDerivedSecret(clientSecrets, application.id, now());
      const before = await current(application);
      const secrets = withSecret(before.secrets, stored);
      await changes.applications.replace({ ...before, version, secrets }, author);
      return secret;
    },

    /** Its default secret, if that can be shown again: one that an operator chose cannot. The audit says to whom it was. */
    async showSecret(application: Application, author: Author): Promise<string | undefined> {
      const secret = findDerivedSecret(clientSecrets, application);
      if (secret === undefined) return undefined;
      await limitOwner(application);
      const { id, clientId, organization } = application;
      const event = 'application.secret_shown';
      const facts = { subject: id, client: clientId, organization };
      await audit.append({ at: now(), event, outcome: 'allowed', ...inAudit(author), ...facts });
      return secret;
    },

    /** @param seconds that tokens of its users live at most, and unless they ask for less */
    limitUserTokens: (application: Application, seconds: number, author: Author): Promise<Application> =>
      retryOnConflict(async () =>
        changes.applications.replace({ ...(await current(application)), userTokenTtl: seconds }, author),
      ),
  };
}

/** The name that the person gave it. */
export function displayNameOf({ name, id, owner }: Pick<Application, 'name' | 'id' | 'owner'>): string {
  return owner === undefined ? name : name.slice(0, -` (${id})`.length);
}
