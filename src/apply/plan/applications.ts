/** Applications of an apply file: how they prove themselves, whose users log in, what their tokens may allow at most. */
import { randomBytes } from 'node:crypto';
import {
  defaultSecretOf,
  deriveClientSecret,
  isClientSecret,
  toStoredSecret,
  withSecret,
} from '../../directory/client-secrets.ts';
import { faceNamedBy } from '../../faces/client-id.ts';
import { builtInFaces } from '../../faces/index.ts';
import { findApplicationProblems } from '../../nouns/application-rules.ts';
import {
  type Application,
  type AuthMethod,
  type Ceiling,
  catalogueOf,
  MOST_SECRETS,
  type Organization,
} from '../../nouns/index.ts';
import { OPENID_SCOPES } from '../../nouns/openid-scopes.ts';
import { needsPkce } from '../../nouns/redirect-uris.ts';
import { algsBefore, ID_TOKEN_ALG } from '../../nouns/signing-algs.ts';
import { NOTHING_STORED } from '../../nouns/values.ts';
import { expandGroups } from '../../permissions/catalogue.ts';
import { contains, type Permissions } from '../../permissions/permissions.ts';
import { fromStored, toStored } from '../../permissions/stored.ts';
import { defined } from '../../storage/defined.ts';
import { findInsecureSetting } from '../insecure-settings.ts';
import { nameOf } from '../problems.ts';
import type { ApplyApplication } from '../schema.ts';
import { addNoun } from './noun.ts';
import { checkRights } from './organizations.ts';
import type { Extras, Plan, Planning } from './plan.ts';

/** What may be set of an agent. All else comes from the agent itself, or from the application that agents come through. */
const SETTABLE_OF_AGENT: readonly string[] = ['enabled', 'description'];

/** Of these keys of an application, those that may not be set because it is an agent. */
export function findOwnOfAgent(
  application: Partial<Pick<Application, 'agent'>> | undefined,
  keys: readonly string[],
): readonly string[] {
  return application?.agent ? keys.filter((key) => !SETTABLE_OF_AGENT.includes(key)) : [];
}

export async function planApplication(
  plan: Plan,
  organization: Organization,
  entry: ApplyApplication,
  deps: Pick<Planning, 'clientSecrets' | 'resetPasswords' | 'now'>,
): Promise<void> {
  const name = `application ${organization.name}/${entry.name}`;
  const before = await plan.findBefore('applications', 'name', `${organization.id}/${entry.name}`);
  const { name: _, ...said } = entry;
  for (const key of findOwnOfAgent(before, Object.keys(said))) {
    plan.problems.push(
      `${name} is an agent: its ${key} comes from itself. A file may set enabled and description`,
    );
  }
  const id = before?.id ?? plan.reserveId('applications', `${organization.id}/${entry.name}`);
  const clientId = entry.clientId ?? before?.clientId ?? randomBytes(12).toString('hex');
  checkClientId(plan, name, clientId, before);
  const authMethod = entry.authMethod ?? before?.authMethod ?? 'client_secret_basic';
  const { generated, ...credentials } = planCredentials(plan, name, authMethod, entry, before, deps);
  const targets = planTargets(plan, entry, before);
  await checkTargets(plan, name, organization, targets, entry);

  const given = {
    id,
    organization: organization.id,
    clientId,
    ...WITHOUT_CREDENTIALS,
    ...credentials,
    assertionAudience: planAudience(authMethod, entry, before),
    registeredCeiling: undefined,
    ...targets,
    idTokenAlgsBefore: findEarlierAlgs(entry, before),
  };
  const madeUp = before || entry.clientId !== undefined ? undefined : ['clientId'];
  const extras = defined({ generated, madeUp });
  const application = await addNoun(plan, 'applications', name, { entry, before, given }, extras);
  checkAsWhole(plan, name, application, entry);
  await checkDefault(plan, name, application);
}

/** Tokens that come through a face say the client id of the face: an application with such an id would pass for it. */
export function checkClientId(
  plan: Plan,
  name: string,
  clientId: string,
  before: Application | undefined,
): void {
  const face = faceNamedBy(clientId);
  const isOfFace = builtInFaces.some((each) => each.name === face);
  if (isOfFace && clientId !== before?.clientId)
    plan.problems.push(`${name}: the clientId ${clientId} is for the face ${face} of an organization`);
}

/** What agents get that name no rights: some of what the application itself has for its resource. */
async function checkDefault(plan: Plan, name: string, application: Application): Promise<void> {
  const { default: stored, organization, resource: identifier, ceilings } = application;
  if (!stored) return;
  if (identifier === undefined) {
    plan.problems.push(`${name} has a default and no resource: the default is for that`);
    return;
  }
  const wanted = fromStored(stored);
  await checkRights(plan, `${name}: default`, { organization, identifier }, { permissions: wanted });
  const ceiling = fromStored(
    ceilings.find(({ resource }) => resource === identifier)?.permissions ?? NOTHING_STORED,
  );
  const resource = await plan.findResource(organization, identifier);
  const catalogue = resource && catalogueOf(resource);
  const expand = (permissions: Permissions): Permissions =>
    catalogue ? expandGroups(permissions, catalogue) : permissions;
  if (!contains(expand(ceiling), expand(wanted))) {
    plan.problems.push(`${name} has a default with more than its permissions for ${identifier} allow`);
  }
}

function findEarlierAlgs(
  { idTokenAlg }: ApplyApplication,
  before: Application | undefined,
): Application['idTokenAlgsBefore'] {
  if (!before || idTokenAlg === undefined) return before?.idTokenAlgsBefore;
  const { idTokenAlg: last = ID_TOKEN_ALG, idTokenAlgsBefore = [] } = before;
  return algsBefore(idTokenAlg, [last, ...idTokenAlgsBefore]);
}

/** The setting is about assertions only; applications with another authMethod send none. */
function planAudience(
  authMethod: AuthMethod,
  { assertionAudience }: ApplyApplication,
  before: Application | undefined,
): Application['assertionAudience'] {
  const wanted =
    authMethod === 'private_key_jwt' ? (assertionAudience ?? before?.assertionAudience) : undefined;
  return wanted === 'endpoint' ? wanted : undefined;
}

type Credentials = Partial<Pick<Application, 'secrets' | 'jwks'>> & Pick<Extras, 'generated'>;

/** What one kind of application has, the others are without. */
export const WITHOUT_CREDENTIALS = { secrets: [], jwks: undefined } as const;

export function planCredentials(
  plan: Plan,
  name: string,
  authMethod: AuthMethod,
  { clientSecret, jwks }: Pick<ApplyApplication, 'clientSecret' | 'jwks'>,
  before: Application | undefined,
  { clientSecrets, resetPasswords, now }: Pick<Planning, 'clientSecrets' | 'resetPasswords' | 'now'>,
): Credentials {
  if (clientSecret?.includes('%')) {
    plan.notes.push(
      `${name} has a clientSecret with %. RFC 6749 has it form-encoded and many libraries send it as it is: choose one without %`,
    );
  }
  if (authMethod === 'none') return {};
  if (authMethod === 'private_key_jwt') {
    const keys = jwks ?? before?.jwks;
    if (!keys) plan.problems.push(`${name} needs jwks for private_key_jwt`);
    return keys ? { jwks: keys } : {};
  }
  // Those that others added stay as they are.
  const secrets = before?.secrets ?? [];
  const own = defaultSecretOf({ secrets });
  const withDefault = (value: string) =>
    withSecret(secrets, toStoredSecret(clientSecrets, value, { createdAt: now() }));
  if (clientSecret === undefined) {
    if (secrets.length > 0) return { secrets };
    const value = deriveClientSecret(plan.secretBytes('clientSecret', 32));
    return { secrets: withDefault(value), generated: { kind: 'clientSecret', value } };
  }
  if (isClientSecret(clientSecrets, clientSecret, own?.hash)) return { secrets };
  if (own?.seed !== undefined && !resetPasswords) {
    // It may have been renewed because the one in the file has leaked.
    plan.notes.push(
      `${name} got another secret than the file says; it stays (--reset-passwords sets that of the file)`,
    );
    return { secrets };
  }
  const all = withDefault(clientSecret);
  if (all.length > MOST_SECRETS) {
    plan.problems.push(
      `${name} has ${secrets.length} other secrets: remove one to give it the clientSecret of the file`,
    );
  }
  return { secrets: all };
}

/** What stands in the file may fit, and still not fit what the store holds beside it. */
function checkAsWhole(plan: Plan, name: string, application: Application, entry: ApplyApplication): void {
  const { clientSecret, jwks, assertionAudience, resources } = entry;
  const whole = { ...application, clientSecret, jwks, assertionAudience, resources };
  for (const { path, message } of findApplicationProblems(whole)) {
    plan.problems.push(`${name}: ${nameOf(path)} ${message}`);
  }
  const insecure = findInsecureSetting(application);
  if (insecure !== undefined) plan.notes.push(`${name} ${insecure}`);
  const always = application.redirectUris.filter(
    (uri) => application.pkce === 'optional' && needsPkce(application, uri),
  );
  if (always.length > 0) {
    plan.notes.push(`${name} has pkce: optional; PKCE stays required at ${always.join(', ')}`);
  }
}

type Targets = Pick<Application, 'resource' | 'ceilings' | 'registeredCeiling'>;

/**
 * `permissions` is the ceiling for `resource`, or without one for each resource that is registered through the
 * application; `resources` are all others. A resource that is not its own any more loses its ceiling, unless
 * `resources` lists it.
 */
function planTargets(
  plan: Plan,
  { resource: wanted, permissions, resources }: ApplyApplication,
  before: Application | undefined,
): Targets {
  const stored = new Map(before?.ceilings.map((ceiling) => [ceiling.resource, ceiling.permissions]));
  const resource = wanted ?? (plan.isCleared('applications', 'resource') ? undefined : before?.resource);
  const registeredCeiling =
    resource !== undefined ? undefined : permissions ? toStored(permissions) : before?.registeredCeiling;
  const others: [string, Ceiling['permissions']][] = resources
    ? Object.entries(resources).map(([identifier, ceiling]) => [identifier, toStored(ceiling)])
    : [...stored].filter(([identifier]) => identifier !== before?.resource && !plan.removals.has(identifier));
  const own: [string, Ceiling['permissions']][] =
    resource === undefined
      ? []
      : [[resource, permissions ? toStored(permissions) : (stored.get(resource) ?? NOTHING_STORED)]];
  const ceilings = own
    .concat(others.filter(([identifier]) => identifier !== resource))
    .map(([identifier, ceiling]) => ({ resource: identifier, permissions: ceiling }));
  return { ceilings, ...defined({ resource, registeredCeiling }) };
}

async function checkTargets(
  plan: Plan,
  name: string,
  { id: organization }: Organization,
  { resource, ceilings }: Targets,
  entry: ApplyApplication,
): Promise<void> {
  if (resource !== undefined && entry.permissions)
    await checkRights(plan, name, { organization, identifier: resource }, { permissions: entry.permissions });
  for (const [identifier, permissions] of Object.entries(entry.resources ?? {})) {
    await checkRights(plan, name, { organization, identifier }, { permissions });
  }
  const known = new Set<string>(OPENID_SCOPES);
  for (const ceiling of ceilings) {
    for (const scope of (await plan.findResource(organization, ceiling.resource))?.scopes ?? [])
      known.add(scope);
  }
  for (const scope of (entry.scopes ?? []).filter((each) => !known.has(each))) {
    plan.problems.push(`${name} has the scope ${scope}, which none of its resources has`);
  }
}
