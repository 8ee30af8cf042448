/**
 * Random apply files of one organization each. Which keys there are and what their values may be is read from the schema, so
 * a new key is among them without a change here, unless it names other nouns or does not fit to every other key.
 */
import { generateKeyPairSync } from 'node:crypto';
import { z } from 'zod';
import {
  application,
  connection,
  datasource,
  organization,
  resource,
  role,
  user,
} from '../../src/apply/schema.ts';
import { ACTIONS } from '../../src/permissions/actions.ts';
import { COLUMN_TYPES } from '../../src/permissions/column-types.ts';

interface JsonSchema {
  readonly type?: string;
  readonly shape?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
}

type Entry = Record<string, any>;

/** What has permissions. */
type Holder = 'ceiling' | 'role' | 'connection';

const toJsonSchema = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

const schemas = {
  organization: toJsonSchema(organization),
  resource: toJsonSchema(resource),
  role: toJsonSchema(role),
  application: toJsonSchema(application),
  user: toJsonSchema(user),
  connection: toJsonSchema(connection),
  datasource: toJsonSchema(datasource),
};

const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

/** Each means something else to YAML than it is, if it is not quoted as it must be. */
/** Shapes of a webhook's values. */
const EVENTS =
  'the name of an event, such as `user.changed`, the first part of names, such as `user.*`, or `*`';
const WEBHOOK_SECRET = '`whsec_` and 24 to 64 random bytes in base64';

const TEXTS = [
  'plain',
  'true',
  'null',
  '~',
  '007',
  '1e3',
  '0x1F',
  '- item',
  'key: value',
  'with # hash',
  '"quoted"',
  "it's",
  '{flow}',
  '[list]',
  '*alias',
  '&anchor',
  '!tag',
  '%percent',
  '@at',
  '`tick',
  '| bar',
  '> fold',
  'ends with:',
  'Grüße',
  '漢字',
  '😀',
  '2026-11-29',
  'a, b',
  '\\n',
  '?',
  '=',
  'yes',
];
/** The file has no merge keys. */
const KEYS = TEXTS.filter((text) => text !== '<<');
const CLAIMS = ['team', 'https://acme.example/who', 'x-level', 'plan_1'];
const COLUMNS = ['id', 'email', 'active', 'level', 'groups', 'changed_at', 'deleted_at'];

export interface Chance {
  /** From 0 to 1, without 1. */
  next(): number;
}

/** The same numbers for the same seed. */
function createChance(seed: number): Chance {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** @returns the content of an apply file whose organization is `o<seed>` */
export function randomApplyFile(seed: number): { organizations: Entry[] } {
  const chance = createChance(seed);
  const below = (count: number): number => Math.floor(chance.next() * count);
  const happens = (part = 0.5): boolean => chance.next() < part;
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T;
  const some = <T>(values: readonly T[]): T[] => values.filter(() => happens());
  const times = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  let made = 0;
  const unique = (prefix: string): string => {
    made += 1;
    return `${prefix}-${seed}-${made}`;
  };
  const secret = (): string =>
    times(8, () =>
      Math.floor(chance.next() * 2 ** 30)
        .toString(36)
        .padStart(6, '0'),
    ).join('');

  const claimVariable = () =>
    pick([{ $user: 'roles' }, { $account: pick(TEXTS) }, { $organization: 'name' }]);
  const plain = () => pick([pick(TEXTS), below(100), happens(), 1.5, claimVariable()]);
  const mapped = (): unknown =>
    pick<() => unknown>([
      plain,
      () => [plain(), plain()],
      () => ({ [pick(KEYS)]: plain(), list: [plain()] }),
      () => ({ oneOf: ['a', 'b'], from: claimVariable(), default: 'b' }),
      () => ({ someOf: ['a', 'none'], from: claimVariable(), accept: ['none'] }),
    ])();

  const byShape: Readonly<Record<string, () => unknown>> = {
    text: () => `${pick(TEXTS)}${happens(0.3) ? ` ${below(100)}` : ''}`,
    'lower-case letters, digits and hyphens': () => unique('name'),
    'letters, digits and underscores': () => unique('channel').replaceAll('-', '_'),
    'lower-case letters, digits and underscores': () => unique('attribute').replaceAll('-', '_'),
    'a host name, with or without port': () => `${unique('host')}.example`,
    'visible ASCII': () => unique(pick(['client', '"client', '#client', '{client}'])),
    'visible ASCII, at least 32 characters': secret,
    'a WebSocket URL': () => `wss://${unique('hive')}.example/`,
    'an https URL without a query': () => `https://${unique('idp')}.example`,
    'an https URL': () => `https://${unique('hooks')}.example/a?b=c`,
    [EVENTS]: () => pick(['*', `user.${pick(['*', 'created'])}`, `event_${below(20)}.changed`]),
    [WEBHOOK_SECRET]: () => `whsec_${Buffer.from(secret().padEnd(64, 'x').slice(0, 64)).toString('base64')}`,
    'a URL with {token} in it': () => `https://${unique('mail')}.example/?t={token}#top`,
    'an absolute URI': () => `https://${unique('page')}.example/a?b=c`,
    'an origin': () =>
      pick([`https://${unique('page')}.example`, 'capacitor://localhost', 'http://localhost:8080']),
    'a scope': () => unique('scope'),
    'a name': () => `name_${below(20)}`,
    'an email address': () => `${unique('someone')}@acme.example`,
    'a bcrypt hash': () => `$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ${10_000 + below(90_000)}`,
    'an IP address or CIDR block': () =>
      pick([`192.0.2.${below(256)}`, `198.51.100.${below(8) * 32}/27`, '2001:db8::/32']),
    'the name of a column': () => pick(COLUMNS),
    'a JSON Web Key Set': () => ({ keys: [KEY] }),
    'the name of a claim': () => pick(CLAIMS),
    'claims by name': () => Object.fromEntries(some(CLAIMS).map((name) => [name, mapped()])),
  };

  function value(schema: JsonSchema): unknown {
    if (schema.shape !== undefined && byShape[schema.shape]) return byShape[schema.shape]?.();
    if (schema.anyOf) return value(pick(schema.anyOf));
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return pick(schema.enum);
    if (schema.type === 'boolean') return happens();
    if (schema.type === 'integer' || schema.type === 'number') {
      const { minimum = 0, maximum = minimum + 1000 } = schema;
      return Math.max(minimum, 0) + below(Math.min(maximum - Math.max(minimum, 0), 100_000) + 1);
    }
    if (schema.items) {
      const items = times(Math.max(schema.minItems ?? 0, below(3)), () => value(schema.items as JsonSchema));
      return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()];
    }
    if (schema.properties) return entry(schema);
    if (typeof schema.additionalProperties === 'object') {
      const inner = schema.additionalProperties;
      return Object.fromEntries(
        times(below(3), () => [String(value(schema.propertyNames ?? {})), value(inner)]),
      );
    }
    // Another shape needs an example above.
    if (schema.shape !== undefined) throw new Error(`no example of ${schema.shape}`);
    return byShape.text?.();
  }

  /** @param fixed undefined: the key is left out */
  function entry({ properties = {}, required = [] }: JsonSchema, fixed: Entry = {}): Entry {
    const members = Object.entries(properties).flatMap(([key, schema]): [string, unknown][] => {
      if (Object.hasOwn(fixed, key)) return fixed[key] === undefined ? [] : [[key, fixed[key]]];
      return required.includes(key) || happens(0.4) ? [[key, value(schema)]] : [];
    });
    return Object.fromEntries(members);
  }

  const maybe = <T>(make: () => T): T | undefined => (happens() ? make() : undefined);

  const literals: Readonly<Record<(typeof COLUMN_TYPES)[number], () => unknown>> = {
    text: () => pick(TEXTS),
    integer: () => pick([below(100), `0${below(100)}`, '-7']),
    decimal: () => pick(['1.50', below(10), '1e3']),
    boolean: () => pick([true, false, 't', '0']),
    uuid: () => pick(['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc999c0b4ef8bb6d6bb9bd380a12']),
    date: () => `2026-11-${10 + below(20)}`,
    timestamp: () => `2026-11-29T${10 + below(10)}:00:00+01:00`,
  };
  const variable = (holder: Holder): Entry =>
    pick([
      { $user: 'id' },
      { $user: 'email' },
      { $user: `attributes.a${below(9)}` },
      { $account: pick(TEXTS) },
      ...(holder === 'ceiling' ? [{ $application: 'id' }] : []),
    ]);

  /** Rows, columns or both of a table that declares columns. */
  const limitFor = (declared: readonly Entry[], action: string, holder: Holder): Entry => {
    const [first, ...others] = some(declared);
    const named = [first ?? pick(declared), ...others].slice(0, 8);
    const values = (column: Entry): unknown[] => {
      const literal = literals[column.type as keyof typeof literals];
      const all = times(1 + below(3), () =>
        holder !== 'connection' && happens() ? variable(holder) : literal(),
      );
      return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
    };
    const rows = Object.fromEntries(named.map((column) => [column.name, values(column)]));
    if (action === 'delete') return { rows };
    const columns = named.map(({ name }) => name);
    return pick([{ rows }, { columns }, { rows, columns }]);
  };

  const permissionsFor = (
    { tables = [], groups = [], catalogue = 'closed' }: Entry,
    holder: Holder,
  ): Entry => {
    if (happens(0.2)) return { isAdmin: true };
    const everywhere = happens(0.2) ? pick(ACTIONS) : undefined;
    const flags = (declared?: readonly Entry[]) =>
      Object.fromEntries(
        ACTIONS.map((action): [string, unknown] => {
          // Less beside the wider right would be refused.
          if (action === everywhere) return [action, true];
          if (!declared?.length || happens()) return [action, happens()];
          const limits = times(1 + below(3), () => limitFor(declared, action, holder));
          return [action, limits.length === 1 ? limits[0] : limits];
        }),
      );
    const named = some(tables as Entry[]).map(({ id, columns }) => [id, flags(columns)]);
    const inNoTable = (groups as Entry[]).filter(
      (group) =>
        catalogue === 'closed' && !group.tables.some((id: string) => named.some(([name]) => name === id)),
    );
    // One group, because one may be wider than another.
    const group = inNoTable.length > 0 && happens() ? [[`@${pick(inNoTable).id}`, flags()]] : [];
    return {
      tables: Object.fromEntries([
        ...(everywhere === undefined ? [] : [['*', { [everywhere]: true }]]),
        ...named,
        ...group,
      ]),
    };
  };

  const columns = (): Entry[] => some(TEXTS).map((name) => ({ name, type: pick(COLUMN_TYPES) }));
  const resources = times(1 + below(3), () => {
    const tables = maybe(() =>
      some(TEXTS.slice(0, 12))
        .slice(0, 4)
        .map((id) =>
          happens() ? { id } : { id, name: pick(TEXTS), description: pick(TEXTS), columns: columns() },
        ),
    );
    const groups = some(TEXTS.filter((id) => id !== '@at')).map((id) => ({
      id,
      tables: some(tables ?? []).map((each) => each.id),
    }));
    return entry(schemas.resource, {
      identifier: pick([`https://${unique('api')}.example/`, `urn:${unique('api')}`]),
      tables,
      groups: maybe(() => groups),
    });
  });
  const byIdentifier = new Map(resources.map((each) => [each.identifier as string, each]));
  const identifiers = [...byIdentifier.keys()];

  const roles = times(below(4), (index) => {
    const of = pick(resources);
    return entry(schemas.role, {
      name: `${pick(TEXTS)} ${index}`,
      default: index === 0 ? maybe(() => true) : undefined,
      resource: of.identifier,
      mayGrant: maybe(() =>
        Object.fromEntries(
          some(resources).map((each) => [
            each.identifier,
            { permissions: permissionsFor(each, 'ceiling'), scopes: some((each.scopes as string[]) ?? []) },
          ]),
        ),
      ),
      scopes: maybe(() => some((of.scopes ?? []) as string[])),
      permissions: maybe(() => permissionsFor(of, 'role')),
    });
  });
  const roleNames = roles.map(({ name }) => name as string);

  const applicationNames = times(1 + below(4), () => unique('app'));
  const applications = applicationNames.map((name) => {
    const authMethod = pick(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']);
    const usesKeys = authMethod === 'private_key_jwt';
    const isPublic = authMethod === 'none';
    const own = maybe(() => pick(resources));
    const others = some(resources).filter((each) => each !== own);
    const scopes = [...others, ...(own ? [own] : [])].flatMap((each) => (each.scopes ?? []) as string[]);
    const forAll = ['password', 'refresh_token', 'authorization_code', 'database_user'];
    const permissions = maybe(() => permissionsFor(own ?? {}, 'ceiling'));
    return entry(schemas.application, {
      name,
      authMethod,
      clientSecret: isPublic || usesKeys ? undefined : maybe(secret),
      jwks: usesKeys ? { keys: [KEY] } : undefined,
      assertionAudience: usesKeys ? maybe(() => pick(['issuer', 'endpoint'])) : undefined,
      grants: some(
        isPublic ? forAll : [...forAll, 'client_credentials', 'token_exchange', 'identity_assertion'],
      ),
      scopes: maybe(() => some(['openid', 'profile', 'email', 'offline_access', ...scopes])),
      redirectUris: times(1 + below(2), () => `https://${unique('page')}.example/callback`),
      pkce: isPublic ? undefined : maybe(() => pick(['required', 'optional'])),
      resource: own?.identifier,
      permissions,
      resources: Object.fromEntries(others.map((each) => [each.identifier, permissionsFor(each, 'ceiling')])),
      default: own && permissions && maybe(() => permissions),
      introspects: isPublic ? undefined : maybe(() => some(identifiers)),
      mayExchange: maybe(() => some(applicationNames)),
    });
  });
  const ofRealm = (name: string): boolean =>
    applications.find((each) => each.name === name)?.realm !== 'organization';

  const users = times(below(4), () =>
    entry(schemas.user, {
      username: `${pick(['ann', 'Bob', '007', 'true', 'null'])}.${unique('x')}`,
      application: maybe(() => pick(applicationNames.filter(ofRealm))),
      password: `${secret()}${secret()}`,
      passwordHash: undefined,
      roles: maybe(() => some(roleNames)),
      devicehive: maybe(() => ({ networks: ['*'], deviceTypes: some(['1', '2', '3']) })),
    }),
  );

  const peopleOf = (application: string): string[] =>
    users
      .filter((each) => each.application === (ofRealm(application) ? application : undefined))
      .map(({ username }) => String(username));

  const exchangeable = applications.filter(
    ({ resource: own, resources: more = {} }) => own ?? Object.keys(more)[0],
  );
  const connections = times(exchangeable.length === 0 ? 0 : below(3), () => {
    const of = pick(exchangeable);
    const identifier = pick([...(of.resource ? [of.resource] : []), ...Object.keys(of.resources ?? {})]);
    const standing = byIdentifier.get(identifier) as Entry;
    const owners = peopleOf(of.name);
    return entry(schemas.connection, {
      name: unique('connection'),
      application: of.name,
      resource: identifier,
      owner: owners.length === 0 ? undefined : maybe(() => pick(owners)),
      scopes: maybe(() => some((standing.scopes ?? []) as string[])),
      permissions: maybe(() => permissionsFor(standing, 'connection')),
    });
  });

  const userTable = (collection: string): Entry => {
    const schema = schemas.datasource.properties?.userTables?.items as JsonSchema;
    const passwordFormat = pick(['bcrypt', 'argon2', 'sha256', 'hmac-sha256', 'md5']);
    const roleMap = maybe(() => Object.fromEntries(some(roleNames).map((name) => [pick(KEYS), name])));
    return entry(schema, {
      database: undefined,
      collection,
      passwordColumn: 'password',
      saltColumn: maybe(() => 'salt'),
      passwordFormat,
      passwordSecret: passwordFormat === 'hmac-sha256' ? secret() : undefined,
      roles: maybe(() => some(roleNames)),
      roleMap,
      ...(roleMap && { roleColumn: pick(COLUMNS) }),
      conditions: maybe(() => ({ [pick(COLUMNS)]: pick([7, 1.5, true, 'yes', '7', '']) })),
      nullColumns: undefined,
      claims: maybe(() => ({ [pick(['level', 'department', 'x:y'])]: pick(COLUMNS) })),
      realm: maybe(() => pick(applicationNames)),
    });
  };
  const datasources = times(below(3), () => {
    const isFile = happens();
    const ofServer = isFile
      ? {
          host: undefined,
          port: undefined,
          username: undefined,
          password: undefined,
          tls: undefined,
          ca: undefined,
        }
      : {
          host: 'db.example.com',
          ca: maybe(() => '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n'),
        };
    return entry(schemas.datasource, {
      kind: isFile ? 'sqlite' : pick(['postgres', 'mysql', 'mongodb']),
      file: isFile ? 'away.db' : undefined,
      database: undefined,
      insecurePasswords: true,
      // Servers would be looked for.
      userTables: isFile ? maybe(() => times(below(3), (index) => userTable(`table_${index}`))) : undefined,
      ...ofServer,
    });
  });

  const agentsSchema = schemas.organization.properties?.agents ?? {};
  const forAgents = applications.flatMap(({ name, grants }: any) =>
    grants?.includes('authorization_code') ? [name as string] : [],
  );
  const agentsThrough = (application: string) => ({
    ...entry(agentsSchema, {}),
    hosts: [`${unique('agent')}.example`],
    application,
  });
  const faceSchemas = schemas.organization.properties?.faces?.properties ?? {};
  const faces = Object.fromEntries(
    some(Object.entries(faceSchemas)).map(([name, schema]) => {
      const application = pick(applicationNames);
      const plugins = () => peopleOf(application).map((creator) => ({ topic: unique('topic'), creator }));
      return [
        name,
        entry(schema, {
          ...(schema.properties?.application && { application }),
          ...(schema.properties?.plugins && { plugins: maybe(() => plugins().slice(0, 1)) }),
        }),
      ];
    }),
  );
  return {
    organizations: [
      entry(schemas.organization, {
        name: `o${seed}`,
        // One organization of the server may have them.
        default: undefined,
        hosts: undefined,
        ...(happens() ? {} : { clientId: undefined, clientSecret: undefined }),
        ...(happens() ? { clientId: unique('itself') } : { clientSecret: undefined }),
        faces: maybe(() => faces),
        identityIssuers: maybe(() =>
          times(1 + below(3), () => ({
            issuer: `https://${unique('idp')}.example`,
            jwksUri: `https://${unique('idp')}.example/keys?v=1`,
          })),
        ),
        agents: forAgents.length === 0 ? undefined : maybe(() => agentsThrough(pick(forAgents))),
        resources,
        roles,
        applications,
        users,
        connections,
        datasources,
      }),
    ],
  };
}
