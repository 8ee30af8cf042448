/**
 * What MongoDB keeps, collection by collection. Strict: Mongoose refuses a field that is not named here, in documents
 * and in filters. JSON text holds whatever has names from outside (the engine's payloads, claims, JWKs, settings of faces) and most
 * of tokens and logins, so that such a name is never a field or an operator. Permissions are lists, because table names have dots.
 */
import { type Connection, type Model, Schema, type SchemaDefinition, type Types } from 'mongoose';
import { type CollectionName, declarationOf } from '../../../src/nouns/index.ts';
import type { AuditEntry, DirectoryChange } from '../../../src/storage/contract.ts';

export interface ArtifactDocument {
  _id: Buffer;
  model: string;
  /** JSON; absent in a pointer. */
  payload?: string;
  /** The hashed key of the artifact that this second key leads to. */
  target?: Buffer;
  uid?: Buffer;
  expiresAt: Date;
  consumedAt?: number;
}

/** The members that many rows have in common. */
export interface SharedDocument {
  /** Hash of its text. */
  _id: Buffer;
  /** JSON. */
  document: string;
  expiresAt: Date;
}

/** The row's own document, and the members by which queries find it. */
export interface TokenDocument {
  _id: Buffer;
  shared: Buffer;
  /** JSON. */
  document: string;
  application: string;
  user?: string;
  connection?: string;
  parent?: string;
  expiresAt: Date;
}

export interface LoginDocument {
  _id: string;
  shared: Buffer;
  /** JSON. */
  document: string;
  origin?: string;
  current: Buffer;
  previous?: Buffer;
  rotatedAt?: number;
  expiresAt: Date;
}

export interface NodeDocument {
  _id: string;
  revokedAt?: number;
  restoredAt?: number;
  narrowedAt?: number;
  expiresAt: Date;
  change: number;
  organization?: string;
  resource?: string;
}

export interface CounterDocument {
  _id: string;
  points: number;
  expiresAt: Date;
}

/** A number that only grows, and the announcements under it that were not withdrawn. */
export interface HeadDocument {
  _id: string;
  value: number;
  pending: { key: string; at: number; floor: number; note?: string }[];
  /** Steps of the number that are entries of the log, and their withdrawals. */
  ownSteps?: number;
  /** How many entries the log has had. */
  logged?: number;
  /** The last ones, in their order. */
  log?: LoggedChange[];
}

/** Which noun changes. */
export interface LoggedChange extends DirectoryChange {
  /** Of its announcement. */
  readonly key: string;
}

export interface KeyDocument {
  _id: string;
  purpose: string;
  alg?: string;
  publicJwk?: string;
  sealed: string;
  createdAt: number;
  activeFrom: number;
  retiredAt?: number;
  expiresAt?: number;
}

export type AuditDocument = Omit<AuditEntry, 'details'> & { _id: Types.ObjectId; details?: string };

export interface NounDocument {
  _id: string;
  number: number;
  version: number;
  organization?: string;
  /** The values of the unique keys by their names. */
  unique: Record<string, string>;
  /** The values of the listed keys by their names; absent without any. */
  listed?: Record<string, string[]>;
  [field: string]: unknown;
}

const text = { type: String, required: true } as const;
const number = { type: Number, required: true } as const;
const bytes = { type: Buffer, required: true } as const;
const moment = { type: Date, required: true } as const;
const flag = { type: Boolean, required: true } as const;

function schema<T>(definition: SchemaDefinition): Schema<T> {
  return new Schema<T>(definition as SchemaDefinition<T>, {
    strict: 'throw',
    strictQuery: 'throw',
    minimize: false,
    versionKey: false,
    id: false,
    // Migrations create them; Mongoose would do so at first use.
    autoIndex: false,
    autoCreate: false,
  });
}

const part = (definition: SchemaDefinition): Schema =>
  new Schema(definition, {
    _id: false,
    strict: 'throw',
    minimize: false,
    // A part has no `collection` property of Mongoose that a field could hide.
    suppressReservedKeysWarning: true,
  });

const permissions = part({ isAdmin: flag, tables: [part({ table: text, actions: text })] });

const values = { type: [String], default: undefined };

const userTable = part({
  id: text,
  enabled: flag,
  database: text,
  collection: text,
  usernameColumn: text,
  passwordColumn: text,
  passwordFormat: text,
  saltColumn: String,
  saltOrder: String,
  sealedSecret: String,
  subjectColumn: text,
  activeColumn: String,
  conditions: [part({ column: text, equals: text })],
  roles: [String],
  roleColumn: String,
  roleMap: [part({ value: text, role: text })],
  claims: [part({ claim: text, column: text })],
  passwordChangedAtColumn: String,
  realm: text,
  verified: flag,
});

const noun = {
  _id: text,
  number,
  version: number,
  enabled: flag,
  createdAt: number,
};

const nounFields: Readonly<Record<CollectionName, SchemaDefinition>> = {
  organizations: {
    name: text,
    default: flag,
    hosts: [String],
    faces: String,
    unique: part({ name: text }),
  },
  applications: {
    organization: text,
    name: text,
    realm: text,
    clientId: text,
    authMethod: text,
    secretHash: String,
    jwks: String,
    grants: [String],
    scopes: [String],
    redirectUris: [String],
    postLogoutRedirectUris: [String],
    allowedOrigins: [String],
    native: flag,
    firstParty: Boolean,
    pkce: String,
    assertionAudience: String,
    resource: String,
    ceilings: [part({ resource: text, permissions: { type: permissions, required: true } })],
    registeredCeiling: permissions,
    introspects: [String],
    mayExchange: [String],
    maxExchangeTtl: Number,
    minPasswordLength: Number,
    isOrganization: Boolean,
    owner: String,
    registeredThrough: String,
    homepage: String,
    secretSeed: String,
    idTokenAlg: String,
    idTokenAlgsBefore: values,
    userTokenTtl: Number,
    unique: part({ clientId: text, name: text }),
  },
  roles: {
    organization: text,
    name: text,
    default: flag,
    resource: text,
    scopes: [String],
    permissions: { type: permissions, required: true },
    unique: part({ name: text }),
  },
  resources: {
    organization: text,
    identifier: text,
    name: text,
    catalogue: text,
    tables: [part({ id: text, name: text })],
    scopes: [String],
    token: part({ format: text, ttl: number, alg: text, algsBefore: values, typ: String, overflow: text }),
    channel: String,
    registeredBy: String,
    owner: String,
    unique: part({ identifier: text, channel: String }),
  },
  users: {
    realm: text,
    organization: String,
    username: text,
    canonicalUsername: text,
    email: String,
    canonicalEmail: String,
    emailVerified: flag,
    displayName: String,
    passwordHash: String,
    passwordChangedAt: Number,
    secondFactor: flag,
    pending: Boolean,
    faces: String,
    roles: [String],
    administers: [String],
    unique: part({ username: text, email: String }),
  },
  connections: {
    organization: text,
    name: text,
    application: text,
    resource: text,
    owner: String,
    scopes: [String],
    permissions: { type: permissions, required: true },
    expiresAt: Number,
    secrets: [part({ id: text, hash: text, createdAt: number })],
    networks: [String],
    maxTokenTtl: Number,
    unique: part({ name: text }),
  },
  datasources: {
    organization: text,
    name: text,
    kind: text,
    file: String,
    server: part({ host: text, port: Number, username: String, tls: text, ca: String }),
    sealedPassword: String,
    insecurePasswords: flag,
    userTables: [userTable],
    unique: part({ name: text }),
  },
};

export interface Models {
  readonly artifacts: Model<ArtifactDocument>;
  readonly shared: Model<SharedDocument>;
  readonly tokens: Model<TokenDocument>;
  readonly logins: Model<LoginDocument>;
  readonly nodes: Model<NodeDocument>;
  readonly counters: Model<CounterDocument>;
  readonly heads: Model<HeadDocument>;
  readonly keys: Model<KeyDocument>;
  readonly audit: Model<AuditDocument>;
  readonly nouns: { readonly [C in CollectionName]: Model<NounDocument> };
}

/** @returns the same models, typed by what their documents have in common */
export function seenAs<T>(...models: readonly Pick<Model<never>, 'db' | 'modelName'>[]): Model<T>[] {
  return models.map(({ db, modelName }) => db.model<T>(modelName));
}

function nounDefinition(collection: CollectionName): SchemaDefinition {
  const keys = Object.keys(declarationOf(collection).listed);
  const listed = keys.length > 0 && { listed: part(Object.fromEntries(keys.map((key) => [key, values]))) };
  return { ...noun, ...nounFields[collection], ...listed };
}

export function createModels(connection: Connection): Models {
  const model = <T>(name: string, definition: SchemaDefinition): Model<T> =>
    connection.model<T>(name, schema<T>(definition), name);
  return {
    artifacts: model('artifacts', {
      _id: bytes,
      model: text,
      payload: String,
      target: Buffer,
      uid: Buffer,
      expiresAt: moment,
      consumedAt: Number,
    }),
    shared: model('shared', { _id: bytes, document: text, expiresAt: moment }),
    tokens: model('tokens', {
      _id: bytes,
      shared: bytes,
      document: text,
      application: text,
      user: String,
      connection: String,
      parent: String,
      expiresAt: moment,
    }),
    logins: model('logins', {
      _id: text,
      shared: bytes,
      document: text,
      origin: String,
      current: bytes,
      previous: Buffer,
      rotatedAt: Number,
      expiresAt: moment,
    }),
    nodes: model('nodes', {
      _id: text,
      revokedAt: Number,
      restoredAt: Number,
      narrowedAt: Number,
      expiresAt: moment,
      change: number,
      organization: String,
      resource: String,
    }),
    counters: model('counters', { _id: text, points: number, expiresAt: moment }),
    heads: model('heads', {
      _id: text,
      value: number,
      pending: [part({ key: text, at: number, floor: number, note: String })],
      ownSteps: Number,
      logged: Number,
      log: {
        type: [part({ key: text, collection: text, id: text, organization: String })],
        default: undefined,
      },
    }),
    keys: model('keys', {
      _id: text,
      purpose: text,
      alg: String,
      publicJwk: String,
      sealed: text,
      createdAt: number,
      activeFrom: number,
      retiredAt: Number,
      expiresAt: Number,
    }),
    audit: model('audit', {
      _id: { type: Schema.Types.ObjectId, auto: true },
      at: number,
      event: text,
      outcome: text,
      reason: String,
      actor: String,
      subject: String,
      client: String,
      organization: String,
      address: String,
      requestId: String,
      details: String,
    }),
    nouns: {
      organizations: model('organizations', nounDefinition('organizations')),
      applications: model('applications', nounDefinition('applications')),
      roles: model('roles', nounDefinition('roles')),
      resources: model('resources', nounDefinition('resources')),
      users: model('users', nounDefinition('users')),
      connections: model('connections', nounDefinition('connections')),
      datasources: model('datasources', nounDefinition('datasources')),
    },
  };
}
