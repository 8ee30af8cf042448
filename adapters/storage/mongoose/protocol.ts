/** What the protocol keeps: the engine's artifacts, tokens, logins, counters. Each promise is one document's. */
import { trusted } from 'mongoose';
import type {
  Artifact,
  ArtifactStore,
  Counters,
  LoginRow,
  LoginStore,
  TokenRow,
  TokenStore,
} from '../../../src/storage/contract.ts';
import { guarded } from './errors.ts';
import { insertOnce, setOrInsert } from './one-document.ts';
import type { ArtifactDocument, CounterDocument, LoginDocument, Models, TokenDocument } from './schemas.ts';

const after = (now: number) => trusted({ $gt: new Date(now) });
const notAfter = (now: number) => trusted({ $lte: new Date(now) });

/** The driver gives its own type for bytes. */
export const toBuffer = (bytes: unknown): Buffer => {
  const { buffer } = bytes as { buffer?: unknown };
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from((Buffer.isBuffer(buffer) ? buffer : bytes) as Uint8Array);
};

export function toArtifact(document: ArtifactDocument): Artifact {
  return {
    payload: JSON.parse(document.payload ?? '{}'),
    expiresAt: document.expiresAt.getTime(),
    ...(document.consumedAt !== undefined && { consumedAt: document.consumedAt }),
  };
}

export function createArtifacts({ artifacts }: Pick<Models, 'artifacts'>): ArtifactStore {
  const find = (model: string, key: Buffer, now: number) =>
    guarded(() => artifacts.findOne({ _id: key, model, expiresAt: after(now) }).lean<ArtifactDocument>());

  return {
    async upsert(model, key, { payload, expiresAt, consumedAt }, lookups) {
      const uid = lookups?.uid;
      const fields = {
        model,
        payload: JSON.stringify(payload),
        expiresAt: new Date(expiresAt),
        ...(uid && { uid }),
        ...(consumedAt !== undefined && { consumedAt }),
      };
      const put = (id: Buffer, set: object, unset: object = {}) =>
        setOrInsert(
          () => artifacts.updateOne({ _id: id }, { $set: set, ...unset } as never),
          () => artifacts.create({ _id: id, ...set } as ArtifactDocument),
        );
      await put(key, fields, uid ? {} : { $unset: { uid: 1 } });
      // A document of its own, so that the second key finds its shard as the first one does.
      if (uid) await put(uid, { model, target: key, expiresAt: fields.expiresAt });
    },
    async insert(model, key, { payload, expiresAt }, now) {
      const document = { model, payload: JSON.stringify(payload), expiresAt: new Date(expiresAt) };
      if (await insertOnce(() => artifacts.create({ _id: key, ...document }))) return true;
      // One that has expired may be replaced, by one.
      const replaced = await guarded(() =>
        artifacts.updateOne(
          { _id: key, expiresAt: notAfter(now) },
          { $set: document, $unset: { consumedAt: 1, uid: 1 } },
        ),
      );
      return replaced.modifiedCount === 1;
    },
    async find(model, key, now) {
      const document = await find(model, key, now);
      return document?.payload === undefined ? undefined : toArtifact(document);
    },
    async findByUid(model, uid, now) {
      const pointer = await find(model, uid, now);
      const document = pointer?.target && (await find(model, toBuffer(pointer.target), now));
      return document?.uid && toBuffer(document.uid).equals(uid) ? toArtifact(document) : undefined;
    },
    async consume(model, key, now) {
      const { modifiedCount } = await guarded(() =>
        artifacts.updateOne(
          { _id: key, model, consumedAt: trusted({ $exists: false }), expiresAt: after(now) },
          { $set: { consumedAt: now } },
        ),
      );
      return modifiedCount === 1;
    },
    async remove(model, key) {
      await guarded(() => artifacts.deleteOne({ _id: key, model }));
    },
  };
}

const toText = <K extends string>(name: K, value: unknown): { [P in K]?: string } =>
  (value === undefined ? {} : { [name]: JSON.stringify(value) }) as { [P in K]?: string };
const fromText = (name: string, value: string | undefined): object =>
  value === undefined ? {} : { [name]: JSON.parse(value) };

export function toTokenDocument(key: Buffer, row: TokenRow): TokenDocument {
  const { id, expiresAt, act, sender, devices, engine, account, claims, ...rest } = row;
  return {
    ...rest,
    _id: key,
    tokenId: id,
    ancestors: [...rest.ancestors],
    expiresAt: new Date(expiresAt),
    ...toText('act', act),
    ...toText('sender', sender),
    ...toText('devices', devices),
    ...toText('engine', engine),
    ...toText('account', account),
    ...toText('claims', claims),
  } as TokenDocument;
}

export function toTokenRow(document: TokenDocument): TokenRow {
  const { _id, tokenId, expiresAt, act, sender, devices, engine, account, claims, ...rest } = document;
  return {
    id: tokenId,
    ...rest,
    expiresAt: expiresAt.getTime(),
    ...fromText('act', act),
    ...fromText('sender', sender),
    ...fromText('devices', devices),
    ...fromText('engine', engine),
    ...fromText('account', account),
    ...fromText('claims', claims),
  };
}

export function createTokens({ tokens }: Pick<Models, 'tokens'>): TokenStore {
  return {
    async insert(key, row) {
      await guarded(() => tokens.create(toTokenDocument(key, row)));
    },
    async find(key, now) {
      const document = await guarded(() =>
        tokens.findOne({ _id: key, expiresAt: after(now) }).lean<TokenDocument>(),
      );
      return document ? toTokenRow(document) : undefined;
    },
    countOf: (connection, now) => guarded(() => tokens.countDocuments({ connection, expiresAt: after(now) })),
  };
}

export function toLoginDocument(login: LoginRow): LoginDocument {
  const { id, expiresAt, act, sender, devices, engine, account, ...rest } = login;
  return {
    ...rest,
    _id: id,
    ancestors: [...rest.ancestors],
    expiresAt: new Date(expiresAt),
    ...toText('act', act),
    ...toText('sender', sender),
    ...toText('devices', devices),
    ...toText('engine', engine),
    ...toText('account', account),
  } as LoginDocument;
}

export function toLoginRow(document: LoginDocument): LoginRow {
  const { _id, expiresAt, act, sender, devices, engine, account, current, previous, ...rest } = document;
  return {
    id: _id,
    ...rest,
    expiresAt: expiresAt.getTime(),
    current: toBuffer(current),
    ...(previous && { previous: toBuffer(previous) }),
    ...fromText('act', act),
    ...fromText('sender', sender),
    ...fromText('devices', devices),
    ...fromText('engine', engine),
    ...fromText('account', account),
  };
}

export function createLogins({ logins }: Pick<Models, 'logins'>): LoginStore {
  return {
    async insert(login) {
      await guarded(() => logins.create(toLoginDocument(login)));
    },
    async find(id, now) {
      const document = await guarded(() =>
        logins.findOne({ _id: id, expiresAt: after(now) }).lean<LoginDocument>(),
      );
      return document ? toLoginRow(document) : undefined;
    },
    countOf: (origin, now) => guarded(() => logins.countDocuments({ origin, expiresAt: after(now) })),
    async rotate(id, from, to, now) {
      const { modifiedCount } = await guarded(() =>
        logins.updateOne(
          { _id: id, current: from, expiresAt: after(now) },
          { $set: { previous: from, current: to, rotatedAt: now } },
        ),
      );
      return modifiedCount === 1;
    },
  };
}

export function createCounters({ counters }: Pick<Models, 'counters'>): Counters {
  const toWindow = ({ points, expiresAt }: CounterDocument) => ({ points, expiresAt: expiresAt.getTime() });
  return {
    async increment(key, points, windowMs, now) {
      const fresh = { points, expiresAt: new Date(now + windowMs) };
      for (;;) {
        // The state before, because it is one moment's on every server; some give the latest for the state after.
        const running = await guarded(() =>
          counters
            .findOneAndUpdate(
              { _id: key, expiresAt: after(now) },
              { $inc: { points } },
              { returnDocument: 'before' },
            )
            .lean<CounterDocument>(),
        );
        if (running) return toWindow({ ...running, points: running.points + points });
        const begun = await guarded(() =>
          counters.updateOne({ _id: key, expiresAt: notAfter(now) }, { $set: fresh }),
        );
        if (begun.modifiedCount === 1 || (await insertOnce(() => counters.create({ _id: key, ...fresh })))) {
          return toWindow({ _id: key, ...fresh });
        }
      }
    },
    async get(key, now) {
      const found = await guarded(() =>
        counters.findOne({ _id: key, expiresAt: after(now) }).lean<CounterDocument>(),
      );
      return found ? toWindow(found) : undefined;
    },
    async set(key, points, expiresAt) {
      const window = { points, expiresAt: new Date(expiresAt) };
      await setOrInsert(
        () => counters.updateOne({ _id: key }, { $set: window }),
        () => counters.create({ _id: key, ...window }),
      );
    },
    async remove(key) {
      await guarded(() => counters.deleteOne({ _id: key }));
    },
  };
}
