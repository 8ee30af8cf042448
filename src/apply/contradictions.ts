/**
 * What is wrong with an apply file as a whole, although each value is right by itself. Only what the file alone shows:
 * a name that it does not define may be in the store, which the code that applies the file looks into.
 */
import { checkNewPassword } from '../accounts/passwords.ts';
import { findApplicationProblems } from '../nouns/application-rules.ts';
import { below, type Contradiction, inEach } from '../nouns/in-file.ts';
import { findableEmail, findableUsername } from '../nouns/usernames.ts';
import { findRefusal, MIN_PASSWORD_LENGTH } from '../nouns/values.ts';
import { canonicalIdentifier } from '../permissions/resource-identifiers.ts';
import type { ApplyAdministrator, ApplyFile, ApplyUser } from './schema.ts';
import { findWrongRights } from './wrong-rights.ts';
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
      ...below(path, inEach('applications', applications, findApplicationProblems)),
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
    ...findRepeated(
      people.flatMap(([path, person]) => {
        const identities = 'identities' in person ? person.identities : undefined;
        return placed([...path, 'identities'], identities).map(
          ([at, { issuer, subject }]) => [at, { person, name: `${issuer} ${subject}` }] as const,
        );
      }),
      ({ person, name }) => within(person, name),
    ),
    ...people.flatMap(([path, person]) => inPassword([path, person], leastLength(person))),
  ];
}

function inPassword(
  [path, { password, passwordHash, username, email }]: Placed<Person>,
  minLength: number,
): Contradiction[] {
  if (password === undefined) return [];
  const refusal = findRefusal(() => checkNewPassword(password, { minLength, username, email }));
  const found: Contradiction[] = [];
  if (refusal !== undefined) found.push({ path: ['password'], message: refusal });
  if (passwordHash !== undefined) found.push({ path: ['passwordHash'], message: 'stands beside a password' });
  return below(path, found);
}
