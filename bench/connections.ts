/** Connections of the measured server, made and ended by this process: one more on the same store. */
import { loadConfig } from '../src/config/load.ts';
import { parsePermissions } from '../src/permissions/permissions-json.ts';
import { toStored } from '../src/permissions/stored.ts';
import { openFoundations } from '../src/server/foundations.ts';
import { clientOf, JWT_RESOURCE, PERMISSIONS } from './directory.ts';
import type { BenchServer } from './processes.ts';

const AUTHOR = { actor: 'bench' };

export interface BenchConnections {
  /** @returns its token */
  create(name: string): Promise<string>;
  /** Ends all that was made from it. @returns milliseconds */
  end(name: string): Promise<number>;
  /** Lets it be used again; what was made from it stays dead. */
  restore(name: string): Promise<void>;
  close(): Promise<void>;
}

export async function openConnections({ env }: BenchServer): Promise<BenchConnections> {
  const foundations = await openFoundations(loadConfig(env, { cwd: process.cwd() }));
  const { changes, connections, storage } = foundations;
  const { clientId } = clientOf('trader');
  const trader = await storage.directory.applications.findBy('clientId', clientId);
  if (!trader) throw new Error(`no application ${clientId}`);
  const { id: application, organization } = trader;

  async function setEnabled(name: string, enabled: boolean): Promise<number> {
    const connection = await storage.directory.connections.findBy('name', `${organization}/${name}`);
    if (!connection) throw new Error(`no connection ${name}`);
    const began = performance.now();
    await changes.connections.replace({ ...connection, enabled }, AUTHOR);
    return performance.now() - began;
  }

  return {
    async create(name) {
      const permissions = toStored(parsePermissions(PERMISSIONS, { unknownFlags: 'refuse' }));
      const scopes = ['orders.read'];
      const wanted = { organization, application, name, resource: JWT_RESOURCE, scopes, permissions };
      return (await connections.create(wanted, AUTHOR)).token;
    },
    end: (name) => setEnabled(name, false),
    async restore(name) {
      await setEnabled(name, true);
    },
    close: () => foundations.close(),
  };
}
