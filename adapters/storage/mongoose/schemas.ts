/**
 * What MongoDB keeps, collection by collection. Strict: Mongoose refuses a field that is not named here, in documents
 * and in filters. JSON text holds whatever has names from outside (the engine's payloads, claims, JWKs, settings of faces) and most
 * of tokens and logins, so that such a name is never a field or an operator. Permissions are lists, because table names have dots.
 */
import { type Connection, type Model, Schema, type SchemaDefinition, type Types } from 'mongoose';
import { COLLECTIONS, type CollectionName } from '../../../src/nouns/index.ts';
import type { AuditEntry, DirectoryChange } from '../../../src/storage/contract.ts';
import { bytes, moment, nounDocument, number, part, text } from './noun-schema.ts';

/** Of the collections whose documents have no parts. */
const DEFINITIONS = {
  artifacts: {
    _id: bytes,
    model: text,
    /** JSON; absent in a pointer. */
    payload: String,
    /** The hashed key of the artifact that this second key leads to. */
    target: Buffer,
    uid: Buffer,
    expiresAt: moment,
    consumedAt: Number,
  },
  /** The members that many rows have in common, as JSON, under a hash of its text. */
  shared: { _id: bytes, document: text, expiresAt: moment },
  /** The row's own document, as JSON, and the members by which queries find it. */
  tokens: {
    _id: bytes,
    shared: bytes,
    document: text,
    application: text,
    user: String,
    connection: String,
    parent: String,
    login: String,
    expiresAt: moment,
  },
  logins: {
    _id: text,
    shared: bytes,
    document: text,
    origin: String,
    application: String,
    user: String,
    createdAt: Number,
    current: bytes,
    previous: Buffer,
    rotatedAt: Number,
    expiresAt: moment,
  },
  nodes: {
    _id: text,
    revokedAt: Number,
    restoredAt: Number,
    narrowedAt: Number,
    expiresAt: moment,
    change: number,
    organization: String,
    resource: String,
  },
  counters: { _id: text, points: number, expiresAt: moment },
  outbox: {
    _id: text,
    webhook: text,
    subject: text,
    /** Webhook and subject of an open row. */
    openLane: String,
    position: number,
    version: number,
    state: text,
    nextAt: Number,
    /** All other members, as JSON. */
    document: text,
    expiresAt: Date,
  },
  keys: {
    _id: text,
    purpose: text,
    alg: String,
    publicJwk: String,
    sealed: text,
    createdAt: number,
    activeFrom: number,
    retiredAt: Number,
    expiresAt: Number,
  },
} as const;

type Definitions = typeof DEFINITIONS;
type Needed = { readonly required: true };
type Value<F> = F extends { readonly type: infer T }
  ? Value<T>
  : F extends StringConstructor
    ? string
    : F extends NumberConstructor
      ? number
      : F extends DateConstructor
        ? Date
        : Buffer;
type Members<D> = { -readonly [K in keyof D as D[K] extends Needed ? K : never]: Value<D[K]> } & {
  -readonly [K in keyof D as D[K] extends Needed ? never : K]?: Value<D[K]>;
};
type DocumentOf<C extends keyof Definitions> = Members<Definitions[C]>;

export type ArtifactDocument = DocumentOf<'artifacts'>;
export type TokenDocument = DocumentOf<'tokens'>;
export type LoginDocument = DocumentOf<'logins'>;
export type NodeDocument = DocumentOf<'nodes'>;
export type CounterDocument = DocumentOf<'counters'>;
export type KeyDocument = DocumentOf<'keys'>;
export type OutboxDocument = DocumentOf<'outbox'>;

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

export type AuditDocument = Omit<AuditEntry, 'details'> & { _id: Types.ObjectId; details?: string };

export interface NounDocument {
  _id: string;
  number: number;
  version: number;
  organization?: string;
  /** The values of the unique keys by their names. */
  unique: Record<string, string | string[]>;
  /** The values of the listed keys by their names; absent without any. */
  listed?: Record<string, string[]>;
  [field: string]: unknown;
}

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

export interface Models {
  readonly artifacts: Model<ArtifactDocument>;
  readonly shared: Model<DocumentOf<'shared'>>;
  readonly tokens: Model<TokenDocument>;
  readonly logins: Model<LoginDocument>;
  readonly nodes: Model<NodeDocument>;
  readonly counters: Model<CounterDocument>;
  readonly outbox: Model<OutboxDocument>;
  readonly heads: Model<HeadDocument>;
  readonly keys: Model<KeyDocument>;
  readonly audit: Model<AuditDocument>;
  readonly nouns: { readonly [C in CollectionName]: Model<NounDocument> };
}

/** @returns the same models, typed by what their documents have in common */
export function seenAs<T>(...models: readonly Pick<Model<never>, 'db' | 'modelName'>[]): Model<T>[] {
  return models.map(({ db, modelName }) => db.model<T>(modelName));
}

export function createModels(connection: Connection): Models {
  const model = <T>(name: string, definition: SchemaDefinition): Model<T> =>
    connection.model<T>(name, schema<T>(definition), name);
  return {
    artifacts: model('artifacts', DEFINITIONS.artifacts),
    shared: model('shared', DEFINITIONS.shared),
    tokens: model('tokens', DEFINITIONS.tokens),
    logins: model('logins', DEFINITIONS.logins),
    nodes: model('nodes', DEFINITIONS.nodes),
    counters: model('counters', DEFINITIONS.counters),
    keys: model('keys', DEFINITIONS.keys),
    outbox: model('outbox', DEFINITIONS.outbox),
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
    nouns: Object.fromEntries(
      COLLECTIONS.map((name) => [name, model<NounDocument>(name, nounDocument(name))]),
    ) as Models['nouns'],
  };
}
