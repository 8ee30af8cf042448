/**
 * What is wrong with an apply file as a whole, although each value is right by itself. Only what the file alone shows:
 * a name that it does not define may be in the store, which the code that applies the file looks into.
 */
import { checkNewPassword } from '../accounts/passwords.ts';
import { hasOwnScheme, isOnDevice, needsPkce } from '../nouns/redirect-uris.ts';
import { findableEmail, findableUsername } from '../nouns/usernames.ts';
import { findRefusal, MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import { canonicalIdentifier, isSameResource } from '../permissions/resource-identifiers.ts';
import type { ApplyAdministrator, ApplyApplication, ApplyFile, ApplyUser } from './schema.ts';
import { type Contradiction, findWrongRights } from './wrong-rights.ts';
import type { Path } from './yaml-document.ts';

type Placed<T> = readonly [path: Path, value: T];

/** @param file in which each value is right by itself */
export function findContradictions(file: ApplyFile): Contradiction[] {
  const organizations = placed(['organizations'], file.organizations);
  const administrators = placed(['administrators'], file.administrators);
  return [
    ...findSecondDefault(organizations),
    ...findRepeated(
      organizations.flatMap(([path, { hosts }]) => placed([...path, 'hosts'], hosts)),
      (host) => host,
    ),
    ...findRepeated(
      organizations.flatMap(([path, { resources }]) => placed([...path, 'resources'], resources)),
      ({ identifier }) => canonicalIdentifier(identifier),
      'identifier',
    ),
    ...findRepeated(
      organizations.flatMap(([path, { applications, clientId }]): Placed<{ clientId?: string }>[] => [
        ...(clientId === undefined ? [] : ([[path, { clientId }]] as const)),
        ...placed([...path, 'applications'], applications),
      ]),
      ({ clientId }) => clientId,
      'clientId',
    ),
    ...findWrongRights(organizations),
    ...organizations.flatMap(([path, { roles, applications = [], users }]) => [
      ...findSecondDefault(placed([...path, 'roles'], roles)),
      ...placed([...path, 'applications'], applications).flatMap(inApplication),
      ...inPeople(placed([...path, 'users'], users), (user) => {
        const own = applications.find(({ name }) => name === user.application);
        return own?.minPasswordLength ?? MIN_PASSWORD_LENGTH.user;
      }),
    ]),
    ...inPeople(administrators, () => MIN_PASSWORD_LENGTH.administrator),
  ];
}

function placed<T>(path: Path, values: readonly T[] = []): Placed<T>[] {
  return values.map((value, index) => [[...path, index], value] as const);
}

function findSecondDefault(nouns: readonly Placed<{ default?: boolean }>[]): Contradiction[] {
  const second = nouns.filter(([, noun]) => noun.default).slice(1);
  return second.map(([path]) => ({ path: [...path, 'default'], message: 'is true for another one too' }));
}

/** @param member what `identify` looks at, for the path */
function findRepeated<T>(
  values: readonly Placed<T>[],
  identify: (value: T) => string | undefined,
  member?: string,
): Contradiction[] {
  const seen = new Set<string>();
  return values.flatMap(([path, value]) => {
    const id = identify(value);
    if (id === undefined || !seen.has(id)) {
      if (id !== undefined) seen.add(id);
      return [];
    }
    return [{ path: member === undefined ? path : [...path, member], message: 'is there twice' }];
  });
}

function inApplication([path, application]: Placed<ApplyApplication>): Contradiction[] {
  const {
    authMethod,
    clientSecret,
    jwks,
    grants = [],
    redirectUris,
    native,
    assertionAudience,
  } = application;
  const { firstParty, pkce, introspects = [], permissions, resource, resources = {} } = application;
  const isPublic = authMethod === 'none';
  const usesKeys = authMethod === 'private_key_jwt';
  const isUnfit = `cannot be used with the authMethod ${authMethod}`;
  const wrong: [key: string, isWrong: unknown, message: string][] = [
    ['clientSecret', clientSecret !== undefined && (isPublic || usesKeys), isUnfit],
    ['jwks', jwks && authMethod && !usesKeys, isUnfit],
    ['assertionAudience', assertionAudience === 'endpoint' && authMethod && !usesKeys, isUnfit],
    [
      'grants',
      isPublic && grants.includes('client_credentials'),
      'holds client_credentials, which needs an authMethod other than none (RFC 6749 section 4.4)',
    ],
    [
      'grants',
      isPublic && grants.includes('token_exchange'),
      'holds token_exchange, which needs an authMethod other than none',
    ],
    [
      'firstParty',
      firstParty && redirectUris?.some(isOnDevice),
      'is true, but a redirect URI is on this machine with http or has a scheme of its own, where another program may answer in its place',
    ],
    [
      'pkce',
      pkce === 'optional' && isPublic,
      'is optional, which needs an authMethod other than none: PKCE is all that protects the code of a public application',
    ],
    [
      'pkce',
      pkce === 'optional' && redirectUris?.length !== 0 && redirectUris?.every(needsPkce),
      'is optional, but each redirect URI is on this machine or has a scheme of its own, where PKCE is always required',
    ],
    [
      'introspects',
      isPublic && introspects.length > 0,
      'needs an authMethod other than none: a public application cannot introspect',
    ],
    [
      'redirectUris',
      redirectUris?.length === 0 && grants.includes('authorization_code'),
      'is empty, but authorization_code needs one',
    ],
    [
      'permissions',
      permissions &&
        resource !== undefined &&
        Object.keys(resources).some((other) => isSameResource(other, resource)),
      'is about a resource that resources lists too',
    ],
  ];
  const ofNatives = [
    ...placed([...path, 'redirectUris'], redirectUris),
    ...placed([...path, 'postLogoutRedirectUris'], application.postLogoutRedirectUris),
  ].filter(([, uri]) => native !== true && hasOwnScheme(uri));
  return [
    ...wrong.flatMap(([key, isWrong, message]) => (isWrong ? [{ path: [...path, key], message }] : [])),
    ...ofNatives.map(([at]) => ({ path: at, message: 'has a scheme of its own, which needs native: true' })),
  ];
}

type Person = ApplyUser | ApplyAdministrator;

function inPeople<T extends Person>(
  people: readonly Placed<T>[],
  leastLength: (person: T) => number,
): Contradiction[] {
  // The application is the realm; administrators share one.
  const within = (person: T, name: string | undefined): string | undefined =>
    name && JSON.stringify(['application' in person ? person.application : undefined, name]);
  return [
    ...findRepeated(people, (person) => within(person, findableUsername(person.username)), 'username'),
    ...findRepeated(people, (person) => within(person, person.email && findableEmail(person.email)), 'email'),
    ...people.flatMap(([path, person]) => inPassword([path, person], leastLength(person))),
  ];
}

function inPassword(
  [path, { password, passwordHash, username, email }]: Placed<Person>,
  minLength: number,
): Contradiction[] {
  if (password === undefined) return [];
  const refusal = findRefusal(() => checkNewPassword(password, { minLength, username, email }));
  return [
    ...(refusal === undefined ? [] : [{ path: [...path, 'password'], message: refusal }]),
    ...(passwordHash === undefined
      ? []
      : [{ path: [...path, 'passwordHash'], message: 'stands beside a password' }]),
  ];
}
