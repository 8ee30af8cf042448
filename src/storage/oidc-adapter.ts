/**
 * The engine's models over the contract of stores. Ids of sessions, codes and interactions are secrets: they are
 * hashed into keys and taken out of what is stored. Single use is decided here, by the store, because the engine reads
 * first and marks later.
 */
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Artifact, ArtifactStore } from './contract.ts';
import { defined } from './defined.ts';
import { rowKey } from './row-key.ts';
import { toSeconds } from './rows.ts';

interface OidcAdapterDeps {
  readonly artifacts: ArtifactStore;
  /** Milliseconds. */
  readonly now: () => number;
  /** Client metadata by `client_id`. */
  readonly findClient: (clientId: string) => Promise<AdapterPayload | undefined>;
  /** A living access token as the engine keeps it, for userinfo. */
  readonly findAccessToken: (value: string) => Promise<AdapterPayload | undefined>;
  /** The browser session of a Grant was ended by a logout. */
  readonly endSessionOf: (grantId: string) => Promise<void>;
}

const keyOf = (model: string, id: string): Buffer => rowKey(`engine ${model}\0${id}`, 16);

/** For an artifact that the engine stores without a lifetime; all that Grantable lets it store have one. */
const FOREVER_SECONDS = 10 * 365 * 86_400;

/** Stores nothing: the registry holds tokens, refresh tokens are logins, clients live in the directory. */
const notKept = async (): Promise<undefined> => undefined;

function without(name: string, members: unknown): Record<string, unknown> {
  const { [name]: _, ...rest } = members as Record<string, unknown>;
  return rest;
}

/** Stands for the id in the address at which an interaction goes on. */
const ID = '{id}';

/** Secrets that the engine would store in clear: an interaction's id and the session cookie. */
function withoutSecrets(id: string, { jti: _, ...payload }: AdapterPayload): Record<string, unknown> {
  const { session, returnTo } = payload;
  return {
    ...payload,
    ...defined({
      returnTo: returnTo?.replaceAll(id, ID),
      session: session && without('cookie', session),
    }),
  };
}

function withId(id: string, { returnTo }: Record<string, unknown>): AdapterPayload {
  return defined({
    jti: id,
    returnTo: typeof returnTo === 'string' ? returnTo.replaceAll(ID, id) : undefined,
  });
}

function createArtifactAdapter(model: string, deps: OidcAdapterDeps): Adapter {
  const { artifacts, now } = deps;
  const payloadOf = (artifact: Artifact | undefined, id?: string): AdapterPayload | undefined =>
    artifact && {
      ...artifact.payload,
      ...(id !== undefined && withId(id, artifact.payload)),
      ...(artifact.consumedAt !== undefined && { consumed: toSeconds(artifact.consumedAt) }),
    };

  return {
    async upsert(id, payload, expiresIn = FOREVER_SECONDS) {
      const expiresAt = now() + expiresIn * 1000;
      const artifact = { payload: withoutSecrets(id, payload), expiresAt };
      const uid = typeof payload.uid === 'string' ? { uid: keyOf('uid', payload.uid) } : undefined;
      await artifacts.upsert(model, keyOf(model, id), artifact, uid);
      return undefined;
    },
    async find(id) {
      return payloadOf(await artifacts.find(model, keyOf(model, id), now()), id);
    },
    async findByUid(uid) {
      return payloadOf(await artifacts.findByUid(model, keyOf('uid', uid), now()));
    },
    findByUserCode: notKept,
    async consume(id) {
      if (await artifacts.consume(model, keyOf(model, id), now())) return undefined;
      throw new errors.InvalidGrant('already consumed');
    },
    async destroy(id) {
      await artifacts.remove(model, keyOf(model, id));
    },
    revokeByGrantId: deps.endSessionOf,
  };
}

const nothing: Adapter = {
  upsert: notKept,
  find: notKept,
  findByUid: notKept,
  findByUserCode: notKept,
  consume: notKept,
  destroy: notKept,
  revokeByGrantId: notKept,
};

/** One adapter per model of the engine. */
export function createOidcAdapter(deps: OidcAdapterDeps): (model: string) => Adapter {
  return (model) => {
    switch (model) {
      case 'Client':
        return { ...nothing, find: deps.findClient };
      case 'AccessToken':
        return { ...nothing, find: deps.findAccessToken, revokeByGrantId: deps.endSessionOf };
      case 'ClientCredentials':
      case 'RefreshToken':
        return nothing;
      default:
        return createArtifactAdapter(model, deps);
    }
  };
}
