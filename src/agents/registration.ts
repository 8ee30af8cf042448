/**
 * Dynamic registration of agents (RFC 7591), and what an agent that registered does with its registration (RFC 7592). It
 * gets at most what the application that its organization names for agents has.
 */
import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Author, authorOf } from '../changes/author.ts';
import type { Changes } from '../changes/changes.ts';
import { removeCurrent, retryOnConflict } from '../changes/retry-on-conflict.ts';
import {
  createClientSecret,
  defaultSecretOf,
  isClientSecret,
  type SecretKeys,
  toStoredSecret,
} from '../directory/client-secrets.ts';
import { eachListed } from '../directory/collections.ts';
import type { DirectoryView } from '../directory/directory.ts';
import { mayUseGrant } from '../directory/registered-applications.ts';
import { MetadataRejected, NotFound, TokenRejected, TooManyAttempts } from '../errors/domain.ts';
import { type Application, type Organization, usesSecret } from '../nouns/index.ts';
import type { JsonObject } from '../permissions/json.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import { toAgentFields, toAgentName } from './application.ts';
import { parseFacts, type SaidFacts } from './document.ts';
import type { InitialToken, InitialTokens } from './initial-tokens.ts';

/** Where a request comes from, as the audit log and the limits name it. */
export interface Origin {
  readonly address: string;
  readonly requestId?: string;
}

export interface RegistrationRequest extends Origin {
  /** The host that was asked: its organization registers those that bring no token. */
  readonly host: string;
  /** The initial access token. */
  readonly token: string | undefined;
  /** Reads the body, once it is known that agents may register. */
  readonly metadata: () => Promise<JsonObject>;
}

export interface Registered {
  readonly application: Application;
  /** The token with which the agent reads, changes and removes its registration. */
  readonly token: string;
  /** Its client secret if one was made at this moment. */
  readonly secret?: string;
}

export type Registrations = ReturnType<typeof createRegistrations>;

export interface RegistrationsDeps {
  readonly store: Pick<DirectoryStore, 'applications'>;
  readonly changes: Pick<Changes, 'applications'>;
  readonly clientSecrets: SecretKeys;
  readonly initialTokens: Pick<InitialTokens, 'find' | 'use' | 'giveBack'>;
  readonly limits: {
    /** Takes one registration from an address. @throws TooManyAttempts */
    registration(address: string): Promise<void>;
    /** Takes one registration from an organization, by its id. @throws TooManyAttempts */
    registrationAt(organization: string): Promise<void>;
    /** Takes one change from an agent, by its id. @throws TooManyAttempts */
    ownChange(agent: string): Promise<void>;
    /** @throws TooManyAttempts */
    requireClientNotBlocked(clientId: string, address: string): void;
    clientSecretFailure(clientId: string, address: string): Promise<void>;
  };
  /** Milliseconds. */
  readonly now: () => number;
}

/** Of one organization, those with documents included. */
export const MOST_AGENTS = 1_000;
/** Seconds after which one may have gone. */
const FULL_RETRY_AFTER = 3_600;

/** Tells people and secret scanners what they found. */
const PREFIX = 'gra_';
const CLIENT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Under which wrong initial access tokens are counted. No client has this id. */
const REGISTERING = 'registration';

/** Takes as long where nothing is stored. */
function isToken(token: string, stored: string | undefined): boolean {
  const wanted = stored === undefined ? Buffer.alloc(32) : Buffer.from(stored, 'base64url');
  return timingSafeEqual(hash('sha256', token, 'buffer'), wanted) && stored !== undefined;
}

/** @throws MetadataRejected */
function parseRegistration(metadata: JsonObject): SaidFacts {
  const { software_statement: statement, scope } = metadata;
  if (statement !== undefined) {
    const description = 'This server does not accept software statements. Leave out software_statement.';
    throw new MetadataRejected(description, { error: 'unapproved_software_statement' });
  }
  const facts = parseFacts(metadata, 'registered');
  if (facts.jwksUri !== undefined)
    throw new MetadataRejected('jwks_uri is not supported for clients that register. Send the keys in jwks.');
  if (scope !== undefined && typeof scope !== 'string')
    throw new MetadataRejected('scope must be a text: scopes with a space between them.');
  return facts;
}

/**
 * What it may have of what it says, and all scopes of the template: clients register with those of their first request and
 * ask for more later (RFC 7591 section 3.2.1 lets the server replace what was asked).
 * @throws MetadataRejected
 */
function toFields(facts: SaidFacts, template: Application, before?: Application['agent']) {
  const fields = toAgentFields(facts, template, 'registered', before);
  const grants = fields.grants.filter(
    (grant) =>
      mayUseGrant(grant, template, fields) && (grant !== 'identity_assertion' || facts.authMethod !== 'none'),
  );
  if (grants.includes('authorization_code')) return { ...fields, grants };
  throw new MetadataRejected('Agents may not use the grant authorization_code here.');
}

/** Who registers without a token, as the audit log names them. */
function strangerOf({ address, requestId }: Origin): Author {
  return defined({ actor: 'registration', address, requestId, managedBy: 'agent' as const });
}

/** @param id of the application for agents that one registered through; that of new ones if left out @throws NotFound */
async function requireTemplate(
  view: DirectoryView,
  { agents }: Partial<Organization> = {},
  id = agents?.application,
): Promise<Application> {
  const isOpen = (agents?.registration ?? 'off') !== 'off';
  const template = isOpen && id !== undefined ? await view.findApplicationById(id) : undefined;
  if (!template) throw closed();
  return template.application;
}

const closed = (): NotFound => new NotFound({ description: 'Clients cannot register here.' });

const full = (): TooManyAttempts =>
  new TooManyAttempts(FULL_RETRY_AFTER, {
    description: `The organization has ${MOST_AGENTS} agents, and cannot take more until some are removed.`,
  });

export function createRegistrations(deps: RegistrationsDeps) {
  const { store, changes, clientSecrets, initialTokens, limits, now } = deps;

  async function reject(description: string, clientId: string, address: string): Promise<never> {
    await limits.clientSecretFailure(clientId, address);
    throw new TokenRejected({ description });
  }

  /** @throws NotFound; TokenRejected */
  async function findPlace(
    view: DirectoryView,
    { host, token, address }: RegistrationRequest,
  ): Promise<{ template: Application; initial?: InitialToken }> {
    const initial = token === undefined ? undefined : await initialTokens.find(token);
    if (token !== undefined && !initial)
      return reject('The initial access token is not valid.', REGISTERING, address);
    const organization = initial
      ? await view.findOrganization(initial.organization)
      : await view.findOrganizationOf(host);
    const isOpen = initial ? organization?.enabled : organization?.agents?.registration === 'open';
    if (!organization || !isOpen) {
      if (initial || !(await view.agentsInUse()).has('registered')) throw closed();
      const description = 'Registering here takes an initial access token, which an administrator makes.';
      throw new TokenRejected({ description });
    }
    return { template: await requireTemplate(view, organization), ...defined({ initial }) };
  }

  const among = (organization: string) => ({ key: 'agentOf', value: organization }) as const;

  /**
   * Those who register at once have all been let in: the last of them are taken back. In a store that writes an agent after
   * one with a higher number, a few more may stay.
   */
  async function isOneTooMany(made: Application): Promise<boolean> {
    const listed = among(made.organization);
    const { count } = await store.applications.count({ listed }, MOST_AGENTS + 1);
    if (count <= MOST_AGENTS) return false;
    let earlier = 0;
    for await (const { number } of eachListed(store.applications, listed.key, listed.value)) {
      if (number >= made.number) return false;
      earlier += 1;
      if (earlier === MOST_AGENTS) break;
    }
    return true;
  }

  /** One that is removed is disabled first, and then looked at for what registered: one of both sees the other. */
  const isStillOpen = async ({ registeredThrough = '' }: Application): Promise<boolean> =>
    (await store.applications.get(registeredThrough))?.enabled === true;

  /** The secret that an application of this kind has, and what is stored of it. */
  function secretsFor({ authMethod }: SaidFacts, before?: Application) {
    if (!usesSecret(authMethod)) return { secrets: [] };
    if (before && before.secrets.length > 0) return { secrets: before.secrets };
    const secret = createClientSecret();
    return { secret, secrets: [toStoredSecret(clientSecrets, secret, { createdAt: now() })] };
  }

  async function create(facts: SaidFacts, template: Application, author: Author): Promise<Registered> {
    const id = randomUUID();
    const token = PREFIX + randomBytes(32).toString('base64url');
    const { secret, secrets } = secretsFor(facts);
    const application = await changes.applications.create(
      {
        id,
        clientId: randomUUID(),
        name: toAgentName(facts, id),
        secrets,
        ...toFields(facts, template),
        agentUnusedSince: now(),
        registrationToken: hash('sha256', token, 'base64url'),
      },
      author,
    );
    const isTooMany = await isOneTooMany(application);
    if (isTooMany || !(await isStillOpen(application))) {
      await removeCurrent(store.applications, changes.applications, application, author);
      throw isTooMany ? full() : closed();
    }
    return { application, token, ...defined({ secret }) };
  }

  return {
    /**
     * @throws NotFound where agents may not register; TokenRejected; MetadataRejected; TooManyAttempts, also when the
     *   organization has too many agents
     */
    async register(view: DirectoryView, request: RegistrationRequest): Promise<Registered> {
      const { address } = request;
      if (request.token !== undefined) limits.requireClientNotBlocked(REGISTERING, address);
      const { template, initial } = await findPlace(view, request);
      await limits.registration(address);
      const facts = parseRegistration(await request.metadata());
      toFields(facts, template);
      const { organization } = template;
      const { count } = await store.applications.count({ listed: among(organization) }, MOST_AGENTS);
      if (count >= MOST_AGENTS) throw full();
      await limits.registrationAt(organization);
      if (!initial) return create(facts, template, strangerOf(request));
      await initialTokens.use(initial);
      try {
        return await create(facts, template, authorOf(request, { initialToken: initial.id }));
      } catch (error) {
        await initialTokens.giveBack(initial);
        throw error;
      }
    },

    /** @throws TokenRejected, the same for an unknown client and a wrong token; TooManyAttempts */
    async find(
      view: DirectoryView,
      clientId: string,
      token: string | undefined,
      { address }: Origin,
    ): Promise<Registered> {
      limits.requireClientNotBlocked(clientId, address);
      const known = CLIENT_ID.test(clientId) ? await view.findApplication(clientId) : undefined;
      const application = known?.application.agent?.kind === 'registered' ? known.application : undefined;
      const isRight = isToken(token ?? '', application?.registrationToken);
      if (application && isRight && token !== undefined) return { application, token };
      const description = 'The client is unknown, or this is not its registration access token.';
      return reject(description, clientId, address);
    },

    /**
     * Replaces all that it said of itself. It is another agent then, and what was made before ends, unless it says the same.
     * @throws MetadataRejected, NotFound where agents may not register any more, TooManyAttempts
     */
    async replace(
      view: DirectoryView,
      { application, token }: Registered,
      metadata: JsonObject,
      origin: Origin,
    ): Promise<Registered> {
      const { id, clientId, registeredThrough = '' } = application;
      const organization = await view.findOrganization(application.organization);
      const template = await requireTemplate(view, organization, registeredThrough);
      await limits.ownChange(id);
      const facts = parseRegistration(metadata);
      const { client_id: named, client_secret: given } = metadata;
      if (named !== clientId)
        throw new MetadataRejected(`client_id must be the one of the client, ${clientId}.`);
      const isOwn = (secret: unknown): boolean =>
        typeof secret === 'string' &&
        isClientSecret(clientSecrets, secret, defaultSecretOf(application)?.hash);
      if (given !== undefined && !isOwn(given))
        throw new MetadataRejected('client_secret is not the secret of the client. Leave it out.');
      return retryOnConflict(async () => {
        const stored = await store.applications.get(id);
        if (!stored) throw new TokenRejected({ description: 'The client was removed.' });
        const { secret, secrets } = secretsFor(facts, stored);
        const { jwks: _jwks, homepage: _homepage, resource: _resource, ...kept } = stored;
        const name = toAgentName(facts, id);
        const fields = toFields(facts, template, stored.agent);
        const after = { ...kept, ...fields, name, secrets };
        const replaced = await changes.applications.replace(after, authorOf(origin, { agent: id }));
        return { application: replaced, token, ...defined({ secret }) };
      });
    },

    /** Removes it with all its tokens. */
    async remove({ application }: Registered, origin: Origin): Promise<void> {
      const author = authorOf(origin, { agent: application.id });
      await removeCurrent(store.applications, changes.applications, application, author);
    },
  };
}
