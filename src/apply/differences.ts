/**
 * Nouns spelled as in an apply file, field by field, and what differs between two of them. A member that is not spelled
 * here is shown under its own name, so that a change of it cannot be missed.
 */
import { hash } from 'node:crypto';
import type { CollectionName, Noun, Nouns, StoredPermissions, UserTable } from '../nouns/index.ts';
import { ID_TOKEN_ALG } from '../nouns/signing-algs.ts';
import { defined } from '../storage/defined.ts';

export interface FieldDifference {
  /** As in the file: `permissions`, `token.ttl`. */
  readonly field: string;
  /** Absent for secrets, and where there was nothing. */
  readonly from?: string;
  /** Absent for secrets, and where nothing is left. */
  readonly to?: string;
}

/** Names of the roles, organizations and applications that others list by id. */
export type NameOfId = (id: string) => string;

type Spelled = Readonly<Record<string, unknown>>;
type Spellers = { readonly [C in CollectionName]: (noun: Nouns[C], nameOfId: NameOfId) => Spelled };

const ACTIONS: Readonly<Record<string, string>> = { c: 'create', r: 'read', u: 'update', d: 'delete' };

/** `orders: create read, products: read` */
export function spellPermissions({ isAdmin, tables }: StoredPermissions): string {
  if (isAdmin) return 'admin';
  if (tables.length === 0) return 'nothing';
  return tables
    .map(({ table, actions }) => `${table}: ${[...actions].map((each) => ACTIONS[each]).join(' ')}`)
    .join(', ');
}

/** The report only says that these changed, not how. */
class Secret {
  readonly value: string | undefined;
  constructor(value: string | undefined) {
    this.value = value;
  }
}

/** The noun without the members that an apply file does not have. */
function spellable<T extends Noun>({ id, number, version, createdAt, ...others }: T) {
  return others;
}

function prefixed(prefix: string, members: Spelled): Spelled {
  return Object.fromEntries(Object.entries(members).map(([field, value]) => [`${prefix}.${field}`, value]));
}

function spellUserTable(
  { id, sealedSecret, conditions, roles, roleMap, claims, realm, ...others }: UserTable,
  nameOfId: NameOfId,
): Spelled {
  const [where, ...application] = realm.split(':');
  const mustBeNull = ({ equals }: UserTable['conditions'][number]): boolean => equals === 'null';
  return {
    ...others,
    passwordSecret: new Secret(sealedSecret),
    conditions: Object.fromEntries(
      conditions.flatMap((each) => (mustBeNull(each) ? [] : [[each.column, JSON.parse(each.equals)]])),
    ),
    nullColumns: conditions.filter(mustBeNull).map(({ column }) => column),
    roles: roles.map(nameOfId),
    roleMap: Object.fromEntries(roleMap.map(({ value, role }) => [value, nameOfId(role)])),
    claims: Object.fromEntries(claims.map(({ claim, column }) => [claim, column])),
    realm: where === 'application' ? nameOfId(application.join(':')) : "its organization's",
  };
}

/** The key that distinguishes user tables of one datasource. */
function labelOf({ database, collection, usernameColumn, passwordColumn }: UserTable): string {
  return `${database}.${collection}(${usernameColumn}, ${passwordColumn})`;
}

const spellers: Spellers = {
  organizations(organization, nameOfId) {
    const { faces = {}, ...others } = spellable(organization);
    const spelled = Object.entries(faces).map(([face, { application, ...settings }]) =>
      prefixed(`faces.${face}`, {
        ...settings,
        ...defined({ application: application === undefined ? undefined : nameOfId(application) }),
      }),
    );
    return Object.assign({ ...others }, ...spelled);
  },

  resources(resource) {
    const { organization, tables, token, ...others } = spellable(resource);
    // `algsBefore` follows from the change of `alg`.
    const { algsBefore, ...facts } = token;
    return {
      ...others,
      tables: tables.map((table) => (table.name === table.id ? table.id : `${table.id} (${table.name})`)),
      ...prefixed('token', { typ: 'at+jwt', ...facts }),
    };
  },

  roles(role) {
    const { organization, permissions, ...others } = spellable(role);
    return { ...others, permissions: spellPermissions(permissions) };
  },

  applications(application, nameOfId) {
    const {
      organization,
      realm,
      ceilings,
      registeredCeiling,
      mayExchange,
      jwks,
      secretHash,
      secretSeed,
      idTokenAlgsBefore,
      ...others
    } = spellable(application);
    return {
      ...others,
      clientSecret: new Secret(secretHash),
      firstParty: others.firstParty === true,
      pkce: others.pkce ?? 'required',
      assertionAudience: others.assertionAudience ?? 'issuer',
      idTokenAlg: others.idTokenAlg ?? ID_TOKEN_ALG,
      mayExchange: mayExchange.map(nameOfId),
      ...defined({ permissions: registeredCeiling && spellPermissions(registeredCeiling) }),
      realm: realm === `application:${application.id}` ? 'application' : 'organization',
      ...defined({ jwks: jwks?.keys }),
      ...Object.fromEntries(
        ceilings.map(({ resource, permissions }) => [
          `permissions for ${resource}`,
          spellPermissions(permissions),
        ]),
      ),
    };
  },

  users(user, nameOfId) {
    const {
      organization,
      realm,
      canonicalUsername,
      canonicalEmail,
      passwordHash,
      passwordChangedAt,
      roles,
      administers,
      faces = {},
      ...others
    } = spellable(user);
    const ofFaces = Object.entries(faces).map(([face, said]) => prefixed(face, said));
    const spelled = {
      ...others,
      password: new Secret(passwordHash),
      roles: roles.map(nameOfId),
      organizations: administers.map(nameOfId),
    };
    return Object.assign(spelled, ...ofFaces);
  },

  datasources(datasource, nameOfId) {
    const { organization, server, sealedPassword, userTables, ...others } = spellable(datasource);
    const { ca, ...where } = server ?? {};
    const spelled = userTables.map((table) =>
      prefixed(`userTables.${labelOf(table)}`, spellUserTable(table, nameOfId)),
    );
    return Object.assign(
      { ...others, ...where, password: new Secret(sealedPassword) },
      ca !== undefined && { ca: `SHA-256 ${hash('sha256', ca).slice(0, 16)}` },
      ...spelled,
    );
  },

  connections(connection, nameOfId) {
    const { organization, application, permissions, secrets, expiresAt, ...others } = spellable(connection);
    return {
      ...others,
      application: nameOfId(application),
      permissions: spellPermissions(permissions),
      token: new Secret(secrets.map(({ id }) => id).join()),
      lifetime: expiresAt === undefined ? undefined : (expiresAt - connection.createdAt) / 1000,
    };
  },
};

/** @param newSecret the field of a secret whose hash is still to be made */
export function findDifferences<C extends CollectionName>(
  collection: C,
  before: Nouns[C],
  after: Nouns[C],
  { nameOfId, newSecret }: { nameOfId: NameOfId; newSecret?: string },
): FieldDifference[] {
  const [old, current] = [spellers[collection](before, nameOfId), spellers[collection](after, nameOfId)];
  return [...new Set([...Object.keys(old), ...Object.keys(current)])].flatMap((field) => {
    const [had, has] = [old[field], current[field]];
    if (had instanceof Secret || has instanceof Secret) {
      const isSame = (had as Secret | undefined)?.value === (has as Secret | undefined)?.value;
      return isSame && field !== newSecret ? [] : [{ field }];
    }
    const [from, to] = [toText(had), toText(has)];
    if (from === to) return [];
    return [{ field, ...defined({ from, to }) }];
  });
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
