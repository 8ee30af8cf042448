/**
 * Asking databases of the operator. Each has connections, a time limit and a circuit breaker of its own, so that one which
 * hangs costs the others nothing: after a few failures it is not asked at all for a while. `tokens` decides what a login
 * gives, and `adapters/datasources` speaks the protocol of each product.
 */
import type { IPolicy } from 'cockatiel';
import { Unavailable } from '../errors/domain.ts';
import type { Datasource } from '../nouns/index.ts';
import { type AllowedHosts, createCheckedLookup, requirePermitted } from './addresses.ts';
import {
  type Connector,
  type ConnectorKinds,
  DatasourceAway,
  type Row,
  type RowQuery,
  TIMEOUT_MS,
} from './connector.ts';
import type { Credentials } from './credentials.ts';
import { findFile } from './files.ts';

/** Loaded with the first question: most servers have no datasource. */
const loadBreaker = () => import('./breaker.ts');

/** A datasource as it is or will be, but for what the store gives it. */
export type Described = Omit<Datasource, 'number' | 'version' | 'createdAt'>;

export interface Datasources {
  /** At most two rows. @throws Unavailable when the datasource is away, slow, or not what was registered */
  findRows(datasource: Datasource, query: RowQuery): Promise<readonly Row[]>;
  /**
   * Asks a datasource as it is described, whether or not it is registered, and past its circuit breaker.
   * @param password in the clear; absent: the sealed one @throws DatasourceAway
   */
  inspect<T>(
    datasource: Described,
    password: string | undefined,
    work: (connector: Connector) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}

export interface DatasourcesDeps {
  readonly kinds: ConnectorKinds;
  readonly credentials: Credentials;
  readonly allowed: AllowedHosts;
  /** Where files of SQLite datasources are. */
  readonly folder: string;
}

interface Opened {
  readonly version: number;
  readonly connector: Promise<Connector>;
  readonly policy: Promise<IPolicy>;
}

async function toUnavailable(error: unknown, name: string): Promise<Unavailable> {
  const { HALF_OPEN_AFTER_MS, isResting } = await loadBreaker();
  const rests = isResting(error);
  const reason = rests ? 'it is left alone for a while, or too many ask it at once' : String(error);
  return new Unavailable(rests ? HALF_OPEN_AFTER_MS / 1000 : TIMEOUT_MS / 1000, {
    description: 'The database behind this login does not answer. Try again later.',
    reason: `datasource ${name}: ${reason}`,
    cause: error,
  });
}

export function createDatasources({ kinds, credentials, allowed, folder }: DatasourcesDeps): Datasources {
  const opened = new Map<string, Opened>();

  async function open(datasource: Described, given?: string): Promise<Connector> {
    const { kind, file, server, sealedPassword, name } = datasource;
    if (kind === 'sqlite') {
      if (file === undefined) throw new DatasourceAway(`datasource ${name} names no file`);
      return kinds.sqlite(await findFile(folder, file));
    }
    if (!server) throw new DatasourceAway(`datasource ${name} names no server`);
    requirePermitted(server.host, allowed);
    const sealed = sealedPassword && credentials.open(sealedPassword, datasource);
    const lookup = createCheckedLookup(server.host, allowed);
    return kinds[kind]({ ...server, password: given ?? sealed, lookup });
  }

  function find(datasource: Datasource): Opened {
    const known = opened.get(datasource.id);
    if (known?.version === datasource.version) return known;
    // What is under way on the old one comes to its end, or to its time limit.
    if (known) setTimeout(() => close(known), TIMEOUT_MS).unref();
    const policy = loadBreaker().then(({ createPolicy }) => createPolicy());
    const fresh = { version: datasource.version, connector: open(datasource), policy };
    fresh.connector.catch(() => {
      // A file may be there the next time.
      if (opened.get(datasource.id) === fresh) opened.delete(datasource.id);
    });
    opened.set(datasource.id, fresh);
    return fresh;
  }

  async function close({ connector }: Pick<Opened, 'connector'>): Promise<void> {
    await connector.then((living) => living.close()).catch(() => undefined);
  }

  return {
    async findRows(datasource, query) {
      const { connector, policy } = find(datasource);
      try {
        return await (await policy).execute(async () => (await connector).findRows(query));
      } catch (error) {
        throw await toUnavailable(error, datasource.name);
      }
    },
    async inspect(datasource, password, work) {
      const connector = await open(datasource, password);
      try {
        return await work(connector);
      } finally {
        await connector.close().catch(() => undefined);
      }
    },
    async close() {
      const all = [...opened.values()];
      opened.clear();
      await Promise.all(all.map(close));
    },
  };
}
