/**
 * What MongoDB keeps, collection by collection. Strict: Mongoose refuses a field that is not named here, in documents
 * and in filters. JSON text holds whatever has names from outside (the engine's payloads, claims, JWKs, settings of faces) and most
 * of tokens and logins, so that such a name is never a field or an operator. Permissions are lists, because table names have dots.
 */
import {
  type Connection,
  type InferRawDocType,
  type Model,
  Schema,
  type SchemaDefinition,
  type SchemaOptions,
  type Types,
} from 'mongoose';
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

/** Of the others. */
const WITH_PARTS = {
  heads: {
    _id: text,
    value: number,
    pending: [part({ key: text, at: number, floor: number, note: String })],
    ownSteps: Number,
    logged: Number,
    log: {
      type: [part({ key: text, collection: text, id: text, organization: String })],
      default: undefined,
    },
  },
  audit: {
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
  },
};

type Raw<C extends keyof typeof DEFINITIONS> = InferRawDocType<(typeof DEFINITIONS)[C]>;
/** Grantable stores no null. */
export type DocumentOf<C extends keyof typeof DEFINITIONS> = {
  [K in keyof Raw<C>]: Exclude<Raw<C>[K], null>;
};

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

type Documents = { [C in keyof typeof DEFINITIONS]: DocumentOf<C> } & {
  heads: HeadDocument;
  audit: AuditDocument;
};

export type Models = { readonly [C in keyof Documents]: Model<Documents[C]> } & {
  readonly nouns: Readonly<Record<CollectionName, Model<NounDocument>>>;
};

const OPTIONS: SchemaOptions = {
  strict: 'throw',
  strictQuery: 'throw',
  minimize: false,
  versionKey: false,
  id: false,
  // Migrations create them; Mongoose would do so at first use.
  autoIndex: false,
  autoCreate: false,
};

export function createModels(connection: Connection): Models {
  const create = ([name, definition]: readonly [string, SchemaDefinition]) =>
    [name, connection.model(name, new Schema(definition, OPTIONS), name)] as const;
  return {
    ...Object.fromEntries(Object.entries({ ...DEFINITIONS, ...WITH_PARTS }).map(create)),
    nouns: Object.fromEntries(COLLECTIONS.map((name) => create([name, nounDocument(name)]))),
  } as unknown as Models;
}
