/**
 * What MongoDB keeps, collection by collection. Strict: Mongoose refuses a field that is not named here, in documents
 * and in filters. JSON text holds whatever has names from outside (the engine's payloads, claims, JWKs, settings of faces) and most
 * of tokens and logins, so that such a name is never a field or an operator. Permissions are lists, because table names have dots.
 */
import { type Connection, type Model, Schema, type SchemaDefinition, type Types } from 'mongoose';
import { COLLECTIONS, type CollectionName } from '../../../src/nouns/index.ts';
import type { AuditEntry, DirectoryChange } from '../../../src/storage/contract.ts';
import { bytes, moment, nounDocument, number, part, text } from './noun-schema.ts';

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
    nouns: Object.fromEntries(
      COLLECTIONS.map((name) => [name, model<NounDocument>(name, nounDocument(name))]),
    ) as Models['nouns'],
  };
}
